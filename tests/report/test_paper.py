"""Published figures: whole, with a source, compared only with what is the same experiment."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.pipeline.test_grid import run_tiny
from tests.report.test_paper_layout import PAPER, TITLE, board, row
from tokbench.cli import main
from tokbench.cli.report import show
from tokbench.registry.registry import build_registry
from tokbench.report import paper
from tokbench.report.paper import published
from tokbench.report.result_set import Board, ResultSet
from tokbench.report.rows import Row
from tokbench.report.tables import Table, as_csv, as_json, fields, markdown


def test_every_table_has_a_source_and_rising_figures() -> None:
    for table in published():
        assert table.source and table.cut and table.users and table.items
        assert table.rows
        for printed in table.rows:
            assert "recall@10" in dict(printed.figures())
            for by_cutoff in (printed.ndcg, printed.recall):
                assert list(by_cutoff) == sorted(by_cutoff)
                assert list(by_cutoff.values()) == sorted(by_cutoff.values())
            for k, ndcg in printed.ndcg.items():
                assert 0 < ndcg < printed.recall[k] < 1


def test_every_row_that_names_ours_names_what_there_is() -> None:
    registry = build_registry()
    for named in {one.ours for table in published() for one in table.rows if one.ours}:
        for part, kind in zip(named.split("/"), ("tokenizer", "generator"), strict=True):
            name, _, preset = part.rstrip("*").partition(":")
            (entry,) = (one for one in registry.find(name) if one.kind == kind)
            assert not preset or preset in entry.cls.presets, named


def test_the_improvements_that_papers_print_follow_from_their_rows() -> None:
    """The Impr. rows were not copied into the data, so they check it. Table 3 takes the better of
    the two contrastive rows; half a unit of the fourth digit on each side is rounding."""
    by_name = {name: table for table in published() for name in table.datasets}
    printed = {
        "mind": {"ndcg": {5: 43.76, 10: 39.90, 20: 37.52, 40: 34.10},
                 "recall": {5: 43.34, 10: 37.21, 20: 34.05, 40: 29.24}},
        "office-s": {"ndcg": {10: 43.80, 20: 31.06}, "recall": {10: 80.95, 20: 41.03}},
        "office-l": {"ndcg": {10: 15.11, 20: 10.53}, "recall": {10: 5.38, 20: 1.46}},
    }  # fmt: skip
    for name, metrics in printed.items():
        rows = {
            row.ours.split("/")[0]: {"ndcg": row.ndcg, "recall": row.recall}
            for row in by_name[name].rows
        }
        for metric, by_cutoff in metrics.items():
            for k, improvement in by_cutoff.items():
                best, base = (
                    max(rows[t][metric][k] for t in ("cost", "cost:with-reconstruction")),
                    rows["rqvae"][metric][k],
                )
                low = (best - 5e-5) / (base + 5e-5) - 1
                high = (best + 5e-5) / (base - 5e-5) - 1
                assert 100 * low <= improvement <= 100 * high, (name, metric, k)


def against(*boards: Board) -> list[Table]:
    return paper.tables(ResultSet([], boards))


def lines(*boards: Board) -> list[dict[str, Any]]:
    return [line for table in against(*boards) for line in fields(table)]


def test_the_papers_own_figures_differ_by_nothing() -> None:
    found = lines(board(*(row(*item) for item in PAPER.items())))
    (random,) = (line for line in found if line["ours"] is None)
    assert random["our row"] == "none: no row of random/tiger"
    found.remove(random)
    assert len(found) == 24
    assert {line["difference"] for line in found} == {0.0}


def test_differences_and_remarks() -> None:
    ours = row("cost", [x + 0.01 for x in PAPER["cost"]])
    other = Board(replace(TITLE, profile="quick"), (replace(ours, users=100),))
    (table,) = against(other)
    for line in fields(table):
        if line["ours"] is not None:
            assert line["difference"] == pytest.approx(0.01)
            assert line["ours"] - line["difference"] == pytest.approx(line["theirs"])
    assert "profile quick" in table.note
    assert "100 users, theirs 29207" in table.note
    assert "29207 users, 12251 items; leave-one-out; encoder sentence-t5" in table.note


@pytest.mark.parametrize("change", [{"dataset": "office-5core"}, {"protocol": "temporal"}])
def test_other_data_or_protocols_are_not_compared(change: dict[str, str]) -> None:
    assert against(Board(replace(TITLE, **change), (row("cost", PAPER["cost"]),))) == []  # type: ignore[arg-type]


def test_other_generators_are_not_compared() -> None:
    found = lines(board(replace(row("cost", PAPER["cost"]), generator="sasrec")))
    assert len(found) == 4 and {line["ours"] for line in found} == {None}


def test_a_folder_of_any_name_with_the_printed_counts_is_that_data() -> None:
    """Users and items of Beauty; another count of either is other data."""
    found = record(22363, 12101)
    title = replace(TITLE, dataset="my-folder")
    assert any("TIGER" in table.title for table in against(Board(title, (found,))))
    assert against(Board(title, (record(22363, 12102),))) == []
    assert against(Board(title, (replace(found, users=22364),))) == []


def record(users: int, items: int) -> Row:
    """A row of rqvae under tiger whose run was on that many users and items."""
    run = SimpleNamespace(outcome=SimpleNamespace(items=items))
    return replace(row("rqvae", PAPER["rqvae"]), users=users, runs=(run,))  # type: ignore[arg-type]


def test_formats_carry_the_same_figures() -> None:
    tables = against(board(row("cost", PAPER["cost"])))
    found = list(csv.DictReader(io.StringIO(as_csv(tables))))
    theirs = [line["theirs"] for line in fields(tables[0])]
    assert [float(line["theirs"]) for line in found] == theirs
    (from_json,) = json.loads(as_json(tables))
    assert [line["theirs"] for line in from_json["rows"]] == theirs
    text = markdown(tables)
    assert all(f"{figure:.4f}" in text for figure in theirs)


def test_the_terminal_shows_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    show(against(board(row("cost", [x + 0.01 for x in PAPER["cost"]]))))
    out = capsys.readouterr().out
    assert "Table 2" in out
    for theirs in PAPER["cost"]:
        assert f"{theirs:.4f}" in out
        assert f"{theirs + 0.01:.4f}" in out
    assert out.count("+0.0100") == 8


def test_the_command_says_when_there_is_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_tiny(tmp_path, baselines=False)
    words = ["report", "paper", str(tmp_path / "results")]
    assert main(words) == 0
    assert "there are records of (rows): tiny (1)" in capsys.readouterr().err
    assert main([*words, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []

"""The overview: figures of the boards themselves, means and win rates by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.pipeline.test_grid import run_tiny
from tests.report.site.pages import Page
from tokbench.cli import main
from tokbench.report.board import tables as board_tables
from tokbench.report.overview import overview, tables, win_rates
from tokbench.report.result_set import Board, ResultSet, Title
from tokbench.report.rows import Row
from tokbench.report.tables import Table, markdown
from tokbench.schema.record import Record, write_record
from tokbench.stats.bootstrap import mean_interval


@pytest.fixture(scope="module")
def row(tmp_path_factory: pytest.TempPathFactory) -> Row:
    (board,) = ResultSet(run_tiny(tmp_path_factory.mktemp("one"), baselines=False)).boards
    return board.rows[0]


def test_a_row_wins_where_it_is_significantly_different_and_ties_halve(row: Row) -> None:
    """Two datasets. First: a (.3, group x) and b (.2, xy) tie, c (.1, y) ties with b alone.
    Second: a .1 (y) below c .2 (x); b is not there."""

    def at(value: float, group: str) -> Row:
        return replace(row, values={**row.values, "recall@10": value}, group=group)

    a: list[Row | None] = [at(0.3, "x"), at(0.1, "y")]
    b: list[Row | None] = [at(0.2, "xy"), None]
    c: list[Row | None] = [at(0.1, "y"), at(0.2, "x")]
    first = {"a": (0.5 + 1) / 2, "b": (0.5 + 0.5) / 2, "c": (0 + 0.5) / 2}
    assert win_rates([a, b, c]) == [(first["a"] + 0) / 2, first["b"], (first["c"] + 1) / 2]
    alone: list[Row | None] = [at(0.9, ""), None]
    assert win_rates([alone, [None, at(0.1, "x")]]) == [0.5, 0.5], "nobody to beat"
    assert win_rates([[at(0.9, "")], [at(0.1, "")]]) == [0.5, 0.5], "no groups, no verdict"


def test_the_interval_of_a_mean_is_that_of_independent_errors() -> None:
    """Against draws: normal errors whose 95 % half widths are .03 and .04."""
    mean, (low, high) = mean_interval([(0.2, (0.17, 0.23)), (0.4, (0.36, 0.44))])
    assert mean == pytest.approx(0.3)
    assert [low, high] == pytest.approx([0.275, 0.325])
    rng = np.random.default_rng(0)
    draws = rng.normal([0.2, 0.4], np.array([0.03, 0.04]) / 1.96, (200_000, 2)).mean(axis=1)
    assert np.quantile(draws, [0.025, 0.975]) == pytest.approx([low, high], abs=2e-4)


def heads(table: Table) -> tuple[str, ...]:
    return tuple(column.head for column in table.columns)


def elsewhere(record: Record) -> Record:
    """The same record, said to be of another dataset."""
    dataset = record.spec.dataset.model_copy(update={"name": "other", "label": "other"})
    spec = record.spec.model_copy(update={"dataset": dataset})
    return record.model_copy(update={"spec": spec, "run_id": spec.run_id})


def test_datasets_stand_side_by_side_and_gaps_are_empty(tmp_path: Path) -> None:
    here = run_tiny(tmp_path, tokenizers=("hashed", "hashed:wide"))
    there = [elsewhere(one) for one in here if one.spec.tokenizer.label != "hashed:wide"]
    assert tables(ResultSet(here)) == [], "one dataset needs no overview"
    (table,) = tables(ResultSet(here + there))
    assert heads(table)[-2:] == ("other", "tiny")
    lines: dict[Any, dict[str, Any]] = {
        line[:3]: dict(zip(heads(table), line, strict=True)) for line in table.rows
    }
    assert not any("hashed:wide" in method for method in lines), "on one dataset only"
    boards = {board.title.dataset: board for board in ResultSet(here + there).boards}
    for method, line in lines.items():
        for name, board in boards.items():
            (row,) = (row for row in board.rows if row.method == method)
            assert line[name] == row.values["recall@10"]
        assert line["datasets"] == 2
        assert line["mean"] == pytest.approx((line["tiny"] + line["other"]) / 2)
    rates = [line["win rate"] for line in lines.values()]
    assert rates == sorted(rates, reverse=True)
    assert np.mean(rates) == pytest.approx(0.5), "what one wins another loses"


def test_who_wins_more_stands_first(tmp_path: Path) -> None:
    (board,) = ResultSet(run_tiny(tmp_path, baselines=False)).boards
    marks = {"worst": (0.1, "c"), "best": (0.3, "a"), "middle": (0.2, "b")}
    rows = tuple(
        replace(board.rows[0], tokenizer=name, values={"recall@10": value}, group=group)
        for name, (value, group) in marks.items()
    )
    one = replace(board, rows=rows)
    other = replace(one, title=replace(board.title, dataset="other"))
    (table,) = overview([one, other])
    assert [(row[0], row[3]) for row in table.rows] == [("best", 1), ("middle", 0.5), ("worst", 0)]


def test_datasets_of_one_name_are_told_apart_by_their_data(tmp_path: Path) -> None:
    (board,) = ResultSet(run_tiny(tmp_path, baselines=False)).boards
    later = replace(board, title=replace(board.title, dataset_digest="feedbeef" * 8))
    found = heads(overview([board, later])[0])[-2:]
    assert found == (f"tiny · data {board.title.dataset_digest[:8]}", "tiny · data feedbeef")
    optioned = replace(board, title=replace(board.title, dataset="tiny [step=2]"))
    assert heads(overview([board, optioned])[0])[-2:] == ("tiny", "tiny [step=2]")
    other = replace(board, title=replace(board.title, dataset="other"))
    (table,) = overview([other, optioned])
    assert heads(table)[-2:] == ("other", "tiny"), "short where that is enough"
    assert table.note.endswith(" Read with options: tiny [step=2].")


def test_no_recall_is_below_zero(row: Row) -> None:
    poor = replace(row, values={"recall@10": 0.001}, intervals={"recall@10": (0.0, 0.01)})
    boards = [Board(Title(name, "leave-one-out", "toy", "x", 50, name), (poor,))
              for name in ("one", "other")]  # fmt: skip
    (table,) = overview(boards)
    mean, interval = table.rows[0][5:7]
    assert mean == 0.001
    assert isinstance(interval, tuple)
    assert interval == pytest.approx((0.0, 0.001 + 0.005 / 2**0.5))


def test_the_command_says_what_it_wants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_tiny(tmp_path, baselines=False)
    assert main(["report", "overview", str(tmp_path / "results")]) == 0
    assert "takes records on two datasets" in capsys.readouterr().err


def test_it_stands_before_the_boards_and_on_the_first_page_of_a_site(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for record in run_tiny(tmp_path, baselines=False):
        write_record(elsewhere(record), tmp_path / "results")
    results = ResultSet.read(tmp_path / "results")
    (table,) = tables(results)
    assert main(["report", str(tmp_path / "results"), "--format", "markdown"]) == 0
    assert capsys.readouterr().out == markdown([table, *board_tables(results)])
    words = ["report", "site", str(tmp_path / "results"), "--out", str(tmp_path / "site")]
    assert main(words) == 0
    page = Page(tmp_path / "site/index.html")
    assert page.table(table.title)[0] == list(heads(table))

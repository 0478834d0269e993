"""The overview: figures of the boards themselves, means and win rates by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata

from tests.pipeline.test_grid import run_tiny
from tests.report.site.pages import Page
from tests.report.test_board import with_hits
from tokbench.cli import main
from tokbench.report.board import tables as board_tables
from tokbench.report.overview import common_block, overview, tables
from tokbench.report.result_set import ResultSet
from tokbench.report.tables import Table, markdown
from tokbench.schema.record import Record, write_record
from tokbench.stats.estimate import mean


def methods(have: dict[str, str]) -> dict[Any, frozenset[int]]:
    return {(name, "", ""): frozenset(map(int, where)) for name, where in have.items()}


@pytest.mark.parametrize(
    ("have", "block"),
    [
        ({"a": "012", "b": "012", "c": "01", "d": "01", "e": "01"}, "01"),  # 10 figures, not 6
        ({"a": "012", "b": "012", "c": "01"}, "012"),  # 6 and 6: more datasets
        ({"a": "01", "b": "12", "c": "012"}, "01"),  # no two rows have all: 01 and 12 tie
        ({"a": "023", "b": "123", "c": "23"}, "23"),  # an intersection that may be no row's own
        ({"a": "0134", "b": "0234", "c": "12"}, "034"),
        ({"a": "01", "b": "12"}, ""),
        ({}, ""),
    ],
)
def test_rows_are_ranked_on_the_largest_common_block(have: dict[str, str], block: str) -> None:
    assert common_block(methods(have)) == frozenset(map(int, block))


def heads(table: Table) -> tuple[str, ...]:
    return tuple(column.head for column in table.columns)


def elsewhere(record: Record, name: str = "other") -> Record:
    """The same record, said to be of another dataset."""
    dataset = record.spec.dataset.model_copy(update={"name": name, "label": name})
    spec = record.spec.model_copy(update={"dataset": dataset})
    return record.model_copy(update={"spec": spec, "run_id": spec.run_id})


def test_ranked_rows_and_those_of_unequal_coverage(tmp_path: Path) -> None:
    here = run_tiny(tmp_path, tokenizers=("hashed", "hashed:wide", "item-id"), seeds=(0, 1))
    there = [elsewhere(one) for one in here if one.spec.tokenizer.label != "hashed:wide"]
    third = [elsewhere(one, "third") for one in here if one.spec.tokenizer.label != "hashed"]
    assert tables(ResultSet(here)) == [], "one dataset needs no overview"
    results = ResultSet(here + there + third)
    ranked, rest = tables(results)
    assert heads(ranked)[-3:] == ("other", "third", "tiny")
    lines: dict[Any, dict[str, Any]] = {
        line[:3]: dict(zip(heads(ranked), line, strict=True)) for line in ranked.rows
    }
    boards = {board.title.dataset: board for board in results.boards}
    means: list[list[float]] = []
    for method, line in lines.items():
        rows = [next(row for row in board.rows if row.method == method)
                for board in boards.values()]  # fmt: skip
        means.append([row.values["recall@10"] for row in rows])
        assert [line[name] for name in boards] == pytest.approx(means[-1])
        whole = mean([board.sample(row, "recall@10").estimate
                      for board, row in zip(boards.values(), rows, strict=True)])  # fmt: skip
        assert (line["mean"], line["95 %"][1]) == (whole.value, whole.interval()[1])
        assert line["95 %, win rate"][0] <= line["win rate"] <= line["95 %, win rate"][1]
        assert line["95 %, mean rank"][0] <= line["mean rank"] <= line["95 %, mean rank"][1]
    ranks = rankdata(-np.array(means), axis=0).mean(axis=1)
    assert [line["mean rank"] for line in lines.values()] == pytest.approx(ranks)
    assert ranks.tolist() == sorted(ranks)
    assert [row[0] for row in rest.rows] == ["hashed", "hashed:wide"], "by name, not ranked"
    assert rest.title == ""
    assert heads(rest)[3:] == ("datasets", "other", "third", "tiny")
    assert [value is None for value in rest.rows[0][4:]] == [False, True, False]


def test_a_diagnostic_is_shown_and_counts_in_no_rank(tmp_path: Path) -> None:
    """It stands first on every board, and rows rank as if it were not there."""
    here = run_tiny(tmp_path, tokenizers=("hashed", "hashed:wide"), seeds=(0, 1))
    told = next(one for one in here if one.spec.generator.name == "recent-popularity")
    label = {"name": "query-time-popularity", "label": "query-time-popularity"}
    spec = told.spec.model_copy(update={"generator": told.spec.generator.model_copy(update=label)})
    told = with_hits(told.model_copy(update={"spec": spec, "run_id": spec.run_id}), 8)
    without = [*here, *(elsewhere(one) for one in here)]
    (ranked,) = tables(ResultSet(without))
    again, rest = tables(ResultSet([*without, told, elsewhere(told)]))
    assert again.rows == ranked.rows
    assert [row[2] for row in rest.rows] == ["query-time-popularity"]
    assert rest.rows[0][4:] == (1.0, 1.0)


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


def test_boards_and_overviews_without_a_leak_come_first(tmp_path: Path) -> None:
    (record,) = run_tiny(tmp_path, baselines=False)

    def under(protocol: str, name: str) -> Record:
        given = record.spec.dataset.model_copy(update={"name": name, "label": name})
        spec = record.spec.model_copy(update={"protocol": protocol, "dataset": given})
        return record.model_copy(update={"spec": spec, "run_id": spec.run_id})

    shuffled = ("leave-one-out", "temporal-warm", "temporal", "temporal-all-warm", "temporal-all")
    order = ["temporal-all", "temporal-all-warm", "temporal", "temporal-warm", "leave-one-out"]
    records = [under(protocol, "a") for protocol in shuffled]
    boards = ResultSet(records).boards
    assert [board.title.protocol for board in boards] == order
    both = [under(protocol, name) for protocol in order[2:] for name in ("b", "c")]
    found = ResultSet([under("leave-one-out", "a"), *both])
    titles = [table.title for table in tables(found) if table.title]
    assert [title.split(" ")[0] for title in titles] == order[2:]

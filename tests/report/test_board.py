"""Boards: what stands in a row follows from the records, and nothing is mixed."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.components import Failing, Timed
from tests.pipeline.test_grid import run_tiny
from tokbench.report import outcomes
from tokbench.report.board import csv_tables, page, tables
from tokbench.report.outcomes import FIGURES
from tokbench.report.result_set import Board, ResultSet
from tokbench.report.tables import as_csv, as_json, sparkline
from tokbench.schema.record import Record, pack_placement
from tokbench.schema.run_spec import BASELINES, DIAGNOSTICS
from tokbench.stats.bootstrap import bootstrap, bootstrap_means
from tokbench.types import Placement


def everybody(record: Record, hit: bool) -> Record:
    """The same record, every user's target first or found nowhere."""
    assert record.outcome is not None
    users = np.ones(record.outcome.users, dtype=np.int64)
    placement = pack_placement(
        Placement(0 * users if hit else -users, 0 * users - (not hit), users)
    )
    outcome = record.outcome.model_copy(update={"placement": placement})
    return record.model_copy(update={"outcome": outcome})


def boards_of(records: list[Record]) -> tuple[Board, ...]:
    return ResultSet(records).boards


def by_hand(record: Record, k: int) -> list[float]:
    """Expected Recall@k of each user, from the stored integers alone."""
    assert record.outcome is not None
    placed = record.outcome.read_placement()
    pairs = zip(placed.ahead.tolist(), placed.group.tolist(), strict=True)
    return [0.0 if s < 0 else min(max((k - s) / g, 0.0), 1.0) for s, g in pairs]


def test_a_row_averages_its_seeds(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, seeds=(0, 1, 2), baselines=False)
    (board,) = boards_of(records)
    (row,) = board.rows
    per_seed = [np.mean(by_hand(record, 5)) for record in records]
    assert row.seeds == 3
    assert row.values["recall@5"] == pytest.approx(np.mean(per_seed))
    assert row.spread["recall@5"] == pytest.approx((min(per_seed), max(per_seed)))
    assert row.hits == pytest.approx(np.mean([sum(by_hand(r, 10)) for r in records]))
    for name in FIGURES:
        low, high = row.intervals[name]
        assert low <= row.values[name] + 1e-12
        assert row.values[name] <= high + 1e-12


def test_the_interval_of_a_row_run_once_is_a_bootstrap_over_users(tmp_path: Path) -> None:
    (record,) = records = run_tiny(tmp_path, seeds=(1,), baselines=False)
    (board,) = boards_of(records)
    users = by_hand(record, 10)
    rng = np.random.default_rng(5)
    means = [rng.choice(users, len(users)).mean() for _ in range(4000)]
    assert board.rows[0].intervals["recall@10"] == pytest.approx(
        tuple(np.percentile(means, [2.5, 97.5])),
        abs=1 / 8 + 1e-9,  # one step of 8 users
    )
    assert board.family.run_sd("recall@10") is None
    assert "No trained row was run twice" in page(ResultSet(records))


def test_two_runs_widen_the_interval_of_every_row(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, seeds=(0, 1), baselines=False)
    (board,) = boards_of(records)
    users = np.mean([by_hand(record, 10) for record in records], axis=0)
    by_run = [np.mean(by_hand(record, 10)) for record in records]
    run_sd = board.family.run_sd("recall@10")
    assert run_sd == pytest.approx(np.std(by_run, ddof=1))
    assert board.family.training.df == 1
    low, high = board.rows[0].intervals["recall@10"]
    plain = bootstrap(users)
    assert low <= plain[0]
    assert high >= plain[1]
    assert f"{run_sd:.4f}" in page(ResultSet(records))


def test_seeds_of_other_code_are_not_averaged(tmp_path: Path) -> None:
    old, new = run_tiny(tmp_path, seeds=(0, 1), baselines=False)
    tokenizer = old.spec.tokenizer.model_copy(update={"fingerprint": "hashed@0"})
    old = old.model_copy(update={"spec": old.spec.model_copy(update={"tokenizer": tokenizer})})
    later = new.provenance.model_copy(update={"created": "2999-01-01T00:00:00+00:00"})
    new = new.model_copy(update={"provenance": later})
    (board,) = boards_of([old, new])
    (row,) = board.rows
    assert row.seeds == 1
    assert row.values["recall@5"] == pytest.approx(np.mean(by_hand(new, 5)))
    assert board.superseded == 1
    assert "1 record of earlier code is not shown" in page(ResultSet([old, new]))


def test_a_row_of_earlier_code_beside_a_later_one_says_so(tmp_path: Path) -> None:
    plain, wide = run_tiny(tmp_path, baselines=False, tokenizers=("hashed", "hashed:wide"))
    tokenizer = wide.spec.tokenizer.model_copy(update={"fingerprint": "hashed@0"})
    spec = wide.spec.model_copy(update={"tokenizer": tokenizer})
    before = wide.provenance.model_copy(update={"created": "2001-01-01T00:00:00+00:00"})
    wide = wide.model_copy(update={"spec": spec, "provenance": before})
    (board,) = boards_of([plain, wide])
    remarks = {row.tokenizer: row.remark for row in board.rows}
    assert remarks == {"hashed": "", "hashed:wide": "earlier code: hashed@0"}


def test_profiles_and_widths_never_share_a_table(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, baselines=False)
    records += run_tiny(tmp_path, baselines=False, profile="quick")
    records += run_tiny(tmp_path, baselines=False, beam_width=60)
    assert [len(board.rows) for board in boards_of(records)] == [1, 1, 1]


def test_a_failed_cell_is_shown_and_rows_fall_by_recall(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, ("tokenizer", Failing), tokenizers=("failing", "hashed"))
    (board,) = boards_of(records)
    assert len(board.failed) == 1
    assert board.failed[0].spec.tokenizer.label == "failing"
    heads = [row.values["recall@10"] for row in board.rows]
    assert heads == sorted(heads, reverse=True)
    assert "a stranger's mistake" in page(ResultSet(records))


def test_rows_are_measured_against_the_best_baseline(tmp_path: Path) -> None:
    """Which may be any of them but a diagnostic, seeds averaged; baselines have no remark."""
    records = run_tiny(tmp_path, ("dataset", Timed), datasets=("timed",), seeds=(0, 1))
    (told,) = (one for one in records if one.spec.generator.name in DIAGNOSTICS)
    records[records.index(told)] = everybody(told, True)
    (board,) = boards_of(records)
    found = {row.generator: row for row in board.rows if row.is_baseline}
    assert sorted(found) == sorted(BASELINES)
    assert [row.seeds for row in found.values() if row.generator == "sasrec"] == [2]
    assert board.rows[0] is found["query-time-popularity"]
    assert board.rows[0].remark == "diagnostic: knows when the target comes"
    del found["query-time-popularity"]
    best = max(row.values["recall@10"] for row in found.values())
    assert best < 1
    assert {row.remark for row in found.values()} == {""}
    (other,) = (row for row in board.rows if not row.is_baseline)
    assert other.intervals["recall@10"][0] <= best
    named = other.remark.rpartition(" ")[2]
    assert found[named].values["recall@10"] == best
    mixed = replace(found["bigram"], tokenizer="hashed")
    assert not mixed.is_baseline, "over other codes the generator is no baseline"


@pytest.mark.parametrize(
    ("curve", "said"),
    [((), False), ((0.3,), False), ((0.3, 0.2, 0.3), True), ((0.3, 0.2, 0.31), False)],
)
def test_a_row_that_training_never_made_better_says_so(
    tmp_path: Path, curve: tuple[float, ...], said: bool
) -> None:
    (record,) = run_tiny(tmp_path, baselines=False)
    assert record.outcome is not None
    rows = tuple({"epoch": float(i), "validation_ndcg10": v} for i, v in enumerate(curve))
    outcome = record.outcome.model_copy(update={"curves": {"train": rows}})
    (board,) = boards_of([record.model_copy(update={"outcome": outcome})])
    assert (board.rows[0].remark == "never better than at its first validation") == said


def test_every_format_carries_the_same_figures(tmp_path: Path) -> None:
    results = ResultSet(run_tiny(tmp_path, seeds=(0, 1)))
    (board,) = results.boards
    lines = list(csv.DictReader(as_csv(csv_tables(results)).splitlines()))
    (from_json,) = json.loads(as_json(csv_tables(results)))
    for row, line, dumped in zip(board.rows, lines, from_json["rows"], strict=True):
        assert float(line["ndcg@10"]) == dumped["ndcg@10"] == row.values["ndcg@10"]
        assert (dumped["ndcg@10/low"], dumped["ndcg@10/high"]) == row.intervals["ndcg@10"]
        assert (dumped["ndcg@10/seeds/low"], dumped["ndcg@10/seeds/high"]) == row.spread["ndcg@10"]
        assert f"{row.values['ndcg@10']:.4f}" in page(results)


def test_a_board_is_made_once_and_its_intervals_when_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []

    def counted(table: Any) -> Any:
        drawn.append(1)
        return bootstrap_means(table)

    results = ResultSet(run_tiny(tmp_path))
    monkeypatch.setattr(outcomes, "bootstrap_means", counted)
    (board,) = results.boards
    tables(results)
    assert results.boards[0] is board
    assert len(drawn) == 1, "one draw for all rows, their intervals and all of their pairs"
    assert board.rows[0].intervals["ndcg@5"] == board.rows[0].intervals["ndcg@5"]
    assert len(drawn) == 2


def test_rows_share_a_letter_where_the_rule_finds_no_difference(tmp_path: Path) -> None:
    tokenizers = ("hashed", "hashed:wide", "item-id")
    low, high, other = run_tiny(tmp_path, tokenizers=tokenizers, baselines=False)
    (board,) = boards_of([everybody(low, False), everybody(high, True), other])
    assert any(difference.significant for difference in board.pairs.values())
    for (i, j), difference in board.pairs.items():
        shared = set(board.rows[i].group) & set(board.rows[j].group)
        assert bool(shared) != difference.significant
        assert board.pairs[j, i] == -difference


def test_a_sparkline_names_its_best_point() -> None:
    assert sparkline([]) == ""
    assert sparkline([0.01, 0.02, 0.04, 0.03]).endswith("0.010 to 0.040, best 3 of 4")
    assert len(sparkline([0.1] * 100).split()[0]) <= 12

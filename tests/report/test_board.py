"""Boards: what stands in a row follows from the records, and nothing is mixed."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.components import Failing, Timed
from tests.pipeline.test_grid import run_tiny
from tokbench.report.board import csv_tables, page, tables
from tokbench.report.outcomes import FIGURES
from tokbench.report.result_set import Board, ResultSet
from tokbench.report.tables import as_csv, as_json, sparkline
from tokbench.schema.record import Record, pack_placement
from tokbench.schema.run_spec import BASELINES, DIAGNOSTICS
from tokbench.stats.sample import Sample, samples
from tokbench.types import Placement


def with_hits(record: Record, hits: int) -> Record:
    """The same record, the target of the first so many users first, of the others nowhere."""
    assert record.outcome is not None
    users = np.ones(record.outcome.users, dtype=np.int64)
    hit = np.arange(len(users)) < hits
    placement = pack_placement(Placement(np.where(hit, 0, -1), np.where(hit, 0, -1), users))
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


def test_a_row_run_once_has_an_interval_over_users_only_and_no_group(tmp_path: Path) -> None:
    (record,) = records = run_tiny(tmp_path, seeds=(1,), baselines=False)
    (board,) = boards_of(records)
    (row,) = board.rows
    assert row.intervals["recall@10"] == Sample(np.array(by_hand(record, 10))).interval()
    assert (row.group, row.remark) == ("", "users only")
    assert board.methods.variances("recall@10") == {}
    assert "No trained row was run twice" in page(ResultSet(records))


def test_two_runs_say_what_a_run_varies(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, seeds=(0, 1), baselines=False)
    (board,) = boards_of(records)
    users = np.array([by_hand(record, 10) for record in records])
    (expected,) = samples([users], ["semantic"], [2])
    assert board.methods.variances("recall@10") == {"semantic": expected.variance}
    assert expected.variance.sd == pytest.approx(np.std(users.mean(axis=1), ddof=1))
    assert board.rows[0].intervals["recall@10"] == expected.interval()
    assert board.rows[0].group == "a"
    assert f"semantic {expected.variance.sd:.4f}" in page(ResultSet(records))


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
    assert remarks == {
        "hashed": "users only", "hashed:wide": "earlier code: hashed@0, users only",
    }  # fmt: skip


def test_profiles_and_widths_never_share_a_table(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, baselines=False)
    records += run_tiny(tmp_path, baselines=False, profile="quick")
    records += run_tiny(tmp_path, baselines=False, beam_width=60)
    assert [len(board.rows) for board in boards_of(records)] == [1, 1, 1]


def everybody(record: Record, hit: bool) -> Record:
    """The same record, every user's target first or found nowhere."""
    assert record.outcome is not None
    users = np.ones(record.outcome.users, dtype=np.int64)
    placement = pack_placement(
        Placement(0 * users if hit else -users, 0 * users - (not hit), users)
    )
    outcome = record.outcome.model_copy(update={"placement": placement})
    return record.model_copy(update={"outcome": outcome})


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
    named = found[other.remark.rpartition(" ")[2]]
    assert named.values["recall@10"] == best
    difference = board.difference(other, named, "recall@10")
    assert difference.different == other.remark.startswith("below")
    (once,) = boards_of(run_tiny(tmp_path, seeds=(0,)))
    assert {row.remark for row in once.rows if row.seeds == 1 and row.runs[0].spec.generator.name
            in ("echo", "sasrec")} == {"users only"}  # fmt: skip
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
    assert ("never better than at its first validation" in board.rows[0].remark) == said


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


def test_a_board_is_made_once_and_its_statistics_when_they_are_read(tmp_path: Path) -> None:
    results = ResultSet(run_tiny(tmp_path))
    (board,) = results.boards
    tables(results)
    assert results.boards[0] is board
    assert board.methods.samples("ndcg@5") is board.methods.samples("ndcg@5")


def test_rows_share_a_letter_where_the_rule_finds_no_difference(tmp_path: Path) -> None:
    tokenizers = ("hashed", "hashed:wide", "item-id")
    records = run_tiny(tmp_path, tokenizers=tokenizers, seeds=(0, 1), baselines=False)
    low, high, other = ([r for r in records if r.spec.tokenizer.label == name]
                        for name in tokenizers)  # fmt: skip
    sure = [with_hits(one, hits) for group, hits in ((low, 0), (high, 7)) for one in group]
    (board,) = boards_of([*sure, *other])
    assert any(difference.different for difference in board.pairs.values())
    for (i, j), difference in board.pairs.items():
        shared = set(board.rows[i].group) & set(board.rows[j].group)
        assert bool(shared) != difference.different
        assert board.pairs[j, i].sign == -difference.sign


def test_a_sparkline_names_its_best_point() -> None:
    assert sparkline([]) == ""
    assert sparkline([0.01, 0.02, 0.04, 0.03]).endswith("0.010 to 0.040, best 3 of 4")
    assert len(sparkline([0.1] * 100).split()[0]) <= 12

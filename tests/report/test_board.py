"""Boards: what stands in a row follows from the records, and nothing is mixed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.components import Failing
from tests.pipeline.test_grid import run_tiny
from tokbench.report.board import FIGURES, make_boards
from tokbench.report.render import as_csv, as_json, markdown, sparkline
from tokbench.schema.record import Record
from tokbench.schema.run_spec import BASELINES
from tokbench.stats.bootstrap import bootstrap


def by_hand(record: Record, k: int) -> list[float]:
    """Expected Recall@k of each user, from the stored integers alone."""
    assert record.outcome is not None
    placed = record.outcome.read_placement()
    pairs = zip(placed.ahead.tolist(), placed.group.tolist(), strict=True)
    return [0.0 if s < 0 else min(max((k - s) / g, 0.0), 1.0) for s, g in pairs]


def test_a_row_averages_its_seeds(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, seeds=(0, 1, 2), baselines=False)
    (board,) = make_boards(records)
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
    (board,) = make_boards(records)
    users = by_hand(record, 10)
    rng = np.random.default_rng(5)
    means = [rng.choice(users, len(users)).mean() for _ in range(4000)]
    assert board.rows[0].intervals["recall@10"] == pytest.approx(
        tuple(np.percentile(means, [2.5, 97.5])),
        abs=1 / 8 + 1e-9,  # one step of 8 users
    )
    assert board.run_sd is None
    assert "No trained row was run twice" in markdown([board])


def test_two_runs_widen_the_interval_of_every_row(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, seeds=(0, 1), baselines=False)
    (board,) = make_boards(records)
    users = np.mean([by_hand(record, 10) for record in records], axis=0)
    by_run = [np.mean(by_hand(record, 10)) for record in records]
    assert board.run_sd == pytest.approx(np.std(by_run, ddof=1))
    assert board.run_df == 1
    low, high = board.rows[0].intervals["recall@10"]
    plain = bootstrap(users)
    assert low <= plain[0]
    assert high >= plain[1]
    assert f"{board.run_sd:.4f}" in markdown([board])


def test_seeds_of_other_code_are_not_averaged(tmp_path: Path) -> None:
    old, new = run_tiny(tmp_path, seeds=(0, 1), baselines=False)
    tokenizer = old.spec.tokenizer.model_copy(update={"fingerprint": "hashed@0"})
    old = old.model_copy(update={"spec": old.spec.model_copy(update={"tokenizer": tokenizer})})
    later = new.provenance.model_copy(update={"created": "2999-01-01T00:00:00+00:00"})
    new = new.model_copy(update={"provenance": later})
    (board,) = make_boards([old, new])
    (row,) = board.rows
    assert row.seeds == 1
    assert row.values["recall@5"] == pytest.approx(np.mean(by_hand(new, 5)))
    assert board.superseded == 1
    assert "1 record of earlier code is not shown" in markdown([board])


def test_a_row_of_earlier_code_beside_a_later_one_says_so(tmp_path: Path) -> None:
    plain, wide = run_tiny(tmp_path, baselines=False, tokenizers=("hashed", "hashed:wide"))
    tokenizer = wide.spec.tokenizer.model_copy(update={"fingerprint": "hashed@0"})
    spec = wide.spec.model_copy(update={"tokenizer": tokenizer})
    before = wide.provenance.model_copy(update={"created": "2001-01-01T00:00:00+00:00"})
    wide = wide.model_copy(update={"spec": spec, "provenance": before})
    (board,) = make_boards([plain, wide])
    remarks = {row.tokenizer: row.remark for row in board.rows}
    assert remarks == {"hashed": "", "hashed:wide": "earlier code: hashed@0"}


def test_profiles_and_widths_never_share_a_table(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, baselines=False)
    records += run_tiny(tmp_path, baselines=False, profile="quick")
    records += run_tiny(tmp_path, baselines=False, beam_width=60)
    assert [len(board.rows) for board in make_boards(records)] == [1, 1, 1]


def test_a_failed_cell_is_shown_and_rows_fall_by_recall(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, ("tokenizer", Failing), tokenizers=("failing", "hashed"))
    (board,) = make_boards(records)
    assert len(board.failed) == 1
    assert "failing" in board.failed[0][0]
    heads = [row.values["recall@10"] for row in board.rows]
    assert heads == sorted(heads, reverse=True)
    text = markdown([board])
    assert "a stranger's mistake" in text


def test_rows_are_measured_against_the_best_baseline(tmp_path: Path) -> None:
    """Which may be any of them, seeds averaged; baselines themselves have no remark."""
    (board,) = make_boards(run_tiny(tmp_path, seeds=(0, 1)))
    found = {row.generator: row for row in board.rows if row.is_baseline}
    assert sorted(found) == sorted(BASELINES)
    assert [row.seeds for row in found.values() if row.generator == "sasrec"] == [2]
    best = max(row.values["recall@10"] for row in found.values())
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
    (board,) = make_boards([record.model_copy(update={"outcome": outcome})])
    assert (board.rows[0].remark == "never better than at its first validation") == said


def test_every_format_carries_the_same_figures(tmp_path: Path) -> None:
    (board,) = make_boards(run_tiny(tmp_path))
    lines = as_csv([board]).splitlines()
    assert len(lines) == 1 + len(board.rows)
    (from_json,) = json.loads(as_json([board]))
    for row, dumped in zip(board.rows, from_json["rows"], strict=True):
        assert dumped["values"]["ndcg@10"] == row.values["ndcg@10"]
        assert f"{row.values['ndcg@10']:.4f}" in markdown([board])


def test_a_sparkline_names_its_best_point() -> None:
    assert sparkline([]) == ""
    assert sparkline([0.01, 0.02, 0.04, 0.03]).endswith("0.010 to 0.040, best 3 of 4")
    assert len(sparkline([0.1] * 100).split()[0]) <= 12

"""The intrinsic table: means over seeds beside the Recall of the same records, and the line that
random codes would be on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.test_grid import run_tiny
from tokbench.report import costs, decoding, intrinsic
from tokbench.report.board import page
from tokbench.report.intrinsic import is_control
from tokbench.report.result_set import ResultSet
from tokbench.report.tables import Table


def heads(table: Table) -> list[str]:
    return [column.head for column in table.columns]


def test_measures_stand_beside_the_recall_of_their_records(tmp_path: Path) -> None:
    tokenizers = ("hashed", "hashed:wide", "item-id")
    records = run_tiny(tmp_path, tokenizers=tokenizers, seeds=(0, 1), baselines=False)
    (table,) = intrinsic.tables(ResultSet(records))
    assert "generator echo" in table.title
    assert set(heads(table)[1:3]) == {"hashed", "hashed:wide"}, "item ids are not measured"
    rows = {str(row[0]): row for row in table.rows}
    for column, label in enumerate(heads(table)[1:3], 1):
        outcomes = [r.outcome for r in records if r.spec.tokenizer.label == label and r.outcome]
        for figure, name in (("recall@10", "recall@10"), ("intrinsic/gini/tuples", "gini/tuples")):
            mean = np.mean([outcome.figures[figure].value for outcome in outcomes])
            assert rows[name][column] == pytest.approx(mean)
    assert "stability/level1" in rows
    assert "stability/level1/shuffled" in rows
    assert "that takes 5 rows or more, and there are 2." in table.note


def test_values_of_chance_are_shown_and_not_tested() -> None:
    assert not is_control("adjacent/shared_prefix")
    assert is_control("adjacent/shared_prefix/shuffled")
    assert is_control("random/duplicate_rate")
    assert is_control("knn/random@10")


def test_policies_and_generators_never_mix(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, collision_policies=("none", "extra-token"), baselines=False)
    titles = [table.title for table in intrinsic.tables(ResultSet(records))]
    assert [title.partition("policy ")[2] for title in titles] == [
        "extra-token · generator echo",
        "none · generator echo",
    ]


def test_policies_share_the_measures_of_the_raw_codes(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, collision_policies=("none", "extra-token"), baselines=False)
    one, two = (
        {n: f.value for n, f in r.outcome.figures.items() if n.startswith("intrinsic/")}
        for r in records
        if r.outcome is not None
    )
    assert one == two
    assert one
    plain, longer = (record.outcome for record in records)
    assert plain is not None
    assert longer is not None
    raw = longer.read_raw_ids()
    assert raw is not None
    assert raw.digest() == plain.read_ids().digest()


def test_costs_by_hand(tmp_path: Path) -> None:
    (record,) = run_tiny(tmp_path, baselines=False)
    changed_costs = record.provenance.costs | {
        "generate": record.provenance.costs["generate"].model_copy(update={"seconds": 0.5}),
        "train": record.provenance.costs["train"].model_copy(
            update={"seconds": 2.0, "device_memory_mb": 7.0}
        ),
    }
    assert record.outcome is not None
    outcome = record.outcome.model_copy(update={"curves": {"train": [{"epoch": 3.0}]}})
    provenance = record.provenance.model_copy(update={"costs": changed_costs})
    changed = record.model_copy(update={"provenance": provenance, "outcome": outcome})
    found = costs.costs_of(changed)
    assert found["users_per_second"] == 16
    assert found["sequences_per_second"] == 12, "8 users, 3 epochs, 2 s"
    assert found["device_mb"] == 7.0
    assert found["tokens_per_item"] == 2
    (table,) = costs.tables(ResultSet([changed]))
    assert table.rows[0][heads(table).index("users/s")] == 16


def test_decoding_has_survival_for_every_row(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, tokenizers=("hashed", "item-id"), baselines=False)
    (table,) = decoding.tables(ResultSet(records))
    assert len(table.rows) == len(records)
    (hashed,) = (row for row in table.rows if row[0] == "hashed")
    outcome = next(r.outcome for r in records if r.spec.tokenizer.label == "hashed")
    assert outcome is not None
    hits = float((outcome.read_placement().position >= 0).mean())
    assert hashed[heads(table).index("survival/level2")] == pytest.approx(hits)


def test_the_board_says_what_random_codes_would_show(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, collision_policies=("none", "extra-token"))
    (board,) = ResultSet(records).boards
    ((shape, rate),) = board.random_duplicates
    assert shape == "4 x 4 codes for 12 items"
    assert rate == pytest.approx(1 - 16 * (1 - (15 / 16) ** 12) / 12)
    assert f"random codes: {100 * rate:.1f} %" in page(ResultSet(records))

"""Slices are recounted user by user from the record, by loops."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pipeline.test_grid import run_tiny
from tokbench.report.outcomes import PerUser
from tokbench.report.result_set import ResultSet
from tokbench.report.slices import SLICES, popularity_bounds, slices_of, tables
from tokbench.schema.record import Outcome, Packed, Record
from tokbench.stats.sample import Sample


def outcome_with(record: Record, **queries: Any) -> Outcome:
    """The record's outcome with other facts of queries."""
    assert record.outcome is not None
    facts = {name: Packed.of(np.asarray(values)) for name, values in queries.items()}
    assert record.outcome.queries is not None
    return record.outcome.model_copy(update={"queries": record.outcome.queries | facts})


def recount(outcome: Outcome) -> dict[str, list[bool]]:
    """Every slice in plain Python."""
    facts = outcome.read_queries()
    assert facts is not None
    assert outcome.item_frequency is not None
    counts = outcome.item_frequency.array().tolist()
    total = sum(counts)
    levels = sorted(set(counts))
    head = max(v for v in levels if sum(c for c in counts if c >= v) >= 0.2 * total)
    tail = max((v for v in levels if sum(c for c in counts if c <= v) <= 0.2 * total), default=-1)
    middle = statistics.median(facts["history_length"].tolist())
    names: dict[str, list[bool]] = {name: [] for name in SLICES}
    users = zip(
        facts["target_frequency"].tolist(), facts["history_length"].tolist(),
        facts["same_day"].tolist(), outcome.read_placement().group.tolist(), strict=True,
    )  # fmt: skip
    for frequency, length, day, group in users:
        told = {
            "all": True,
            "head target": frequency >= head,
            "middle target": tail < frequency < head,
            "tail target": frequency <= tail,
            "cold target": frequency == 0,
            "short history": length <= middle,
            "long history": length > middle,
            "target collides": group > 1,
            "target unique": group == 1,
            "same day": day == 1,
            "next day or later": day == 0,
        }
        for name in SLICES:
            names[name].append(told[name])
    return names


def test_slices_against_a_recount(tmp_path: Path) -> None:
    (record,) = run_tiny(tmp_path, collision_policies=("none",), baselines=False)
    outcome = outcome_with(
        record,
        target_frequency=[0, 1, 2, 3, 3, 2, 1, 0],
        history_length=[4, 5, 6, 6, 8, 9, 4, 6],
        same_day=[0, 1, -1, 1, 0, 0, 1, 1],
    )
    expected = recount(outcome)
    found = slices_of(outcome)
    assert found.keys() == set(SLICES)
    for name, mask in found.items():
        assert mask.tolist() == expected[name], name


def test_unknown_days_make_no_slice(tmp_path: Path) -> None:
    (record,) = run_tiny(tmp_path, baselines=False)
    assert record.outcome is not None
    assert slices_of(record.outcome).keys() == set(SLICES) - {"same day", "next day or later"}


def test_records_without_facts_keep_what_the_placement_tells(tmp_path: Path) -> None:
    (record,) = run_tiny(tmp_path, baselines=False)
    assert record.outcome is not None
    old = record.outcome.model_copy(update={"queries": None, "item_frequency": None})
    assert slices_of(old).keys() == {"all", "target collides", "target unique"}
    (table,) = tables(ResultSet([record.model_copy(update={"outcome": old})]))
    assert "1 records" in table.note


def test_intervals_are_those_of_the_users_of_the_slice(tmp_path: Path) -> None:
    (record,) = run_tiny(tmp_path, collision_policies=("none",), baselines=False)
    assert record.outcome is not None
    users = {name: one[0] for name, one in PerUser([record]).items()}
    (table,) = tables(ResultSet([record]))
    for row in table.rows:
        inside = slices_of(record.outcome)[str(row[0])]
        assert row[4] == inside.sum()
        assert row[6] == pytest.approx(Sample(users["recall@10"][inside]).interval())
        assert row[8] == pytest.approx(Sample(users["ndcg@10"][inside]).interval())


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40).filter(any))
def test_head_and_tail_never_meet_and_hold_their_share(counts: list[int]) -> None:
    head, tail = popularity_bounds(np.array(counts))
    total = sum(counts)
    assert tail < head
    assert sum(c for c in counts if c >= head) >= 0.2 * total
    assert sum(c for c in counts if c > head) < 0.2 * total
    assert sum(c for c in counts if c <= tail) <= 0.2 * total
    more = [c for c in counts if c > tail]
    assert sum(c for c in counts if c <= min(more)) > 0.2 * total


def test_a_table_averages_seeds_and_parts_add_up_to_the_whole(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, seeds=(0, 1), collision_policies=("none",), baselines=False)
    (table,) = tables(ResultSet(records))
    rows = {str(row[0]): row for row in table.rows}
    outcomes = [record.outcome for record in records if record.outcome is not None]
    mean = np.mean([outcome.figures["recall@10"].value for outcome in outcomes])
    assert rows["all"][4] == 8
    assert rows["all"][5] == pytest.approx(mean)
    parts = [rows[name] for name in ("head target", "middle target", "tail target") if name in rows]
    assert sum(int(str(row[4])) for row in parts) == 8
    values = [float(str(row[5])) for row in parts]
    weights = [int(str(row[4])) for row in parts]
    assert np.average(values, weights=weights) == pytest.approx(mean)


def test_a_user_whose_target_collides_under_one_seed_counts_with_that_seed(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, seeds=(0, 1), collision_policies=("none",), baselines=False)
    (table,) = tables(ResultSet(records))
    row = next(row for row in table.rows if row[0] == "target collides")
    values: dict[int, list[float]] = {}
    for record in records:
        assert record.outcome is not None
        placed = record.outcome.read_placement()
        for user in range(8):
            s, g = int(placed.ahead[user]), int(placed.group[user])
            if g > 1:
                hit = 0.0 if s < 0 else min(max((10 - s) / g, 0.0), 1.0)
                values.setdefault(user, []).append(hit)
    assert row[4] == len(values)
    assert row[5] == pytest.approx(np.mean([np.mean(each) for each in values.values()]))

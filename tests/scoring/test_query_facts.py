"""Facts of queries, counted by hand; users in another order are the same facts in that order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokbench.scoring.query_facts import days_of, item_frequency, query_facts
from tokbench.scoring.splits import leave_one_out, temporal
from tokbench.types import Dataset, Sequences

DAY = 86_400
ROWS = [[0, 1, 2, 3], [1, 0, 1], [4, 1, 0, 2, 1]]
DAYS = [[16_000, 16_001, 16_001, 16_002], [16_003, 16_003, 16_003], [15_999, 16_000, 16_001,
        16_002, 16_002]]  # fmt: skip


def dataset_of(rows: Any, days: Any, ticks: int = 1, shift: int = 0) -> Dataset:
    names = tuple(str(n) for n in range(5))
    times = None if days is None else np.concatenate(days) * ticks + shift
    users = tuple(str(u) for u in range(len(rows)))
    return Dataset("d", names, names, names, users, Sequences.of(rows), times)


@pytest.mark.parametrize(("ticks", "shift"), [(1, 0), (DAY, 7200), (1000 * DAY, 5)])
def test_facts_by_hand_in_days_seconds_and_milliseconds(ticks: int, shift: int) -> None:
    dataset = dataset_of(ROWS, DAYS, ticks, shift)
    split = leave_one_out(dataset)
    facts = query_facts(dataset, split)
    # training rows: [0, 1], [1], [4, 1, 0]; targets: 3, 1, 1
    assert item_frequency(dataset, split).tolist() == [2, 3, 0, 0, 1]
    assert facts["target_frequency"].tolist() == [0, 3, 3]
    assert facts["history_length"].tolist() == [3, 2, 4]
    assert facts["same_day"].tolist() == [0, 1, 1]


def test_the_temporal_protocol_asks_for_the_item_after_the_history() -> None:
    dataset = dataset_of(ROWS, DAYS)
    split = temporal(dataset, 0.3, 0.3)
    facts = query_facts(dataset, split)
    assert len(split.test) == 2
    for user, length, same in zip(split.test.users.tolist(), facts["history_length"].tolist(),
                                  facts["same_day"].tolist(), strict=True):  # fmt: skip
        assert same == int(DAYS[user][length - 1] == DAYS[user][length])


@pytest.mark.parametrize("days", [None, [[0, 1, 2, 3], [0, 1, 2], [0, 0, 0, 0, 1]]])
def test_without_days_it_is_unknown(days: Any) -> None:
    dataset = dataset_of(ROWS, days)
    assert query_facts(dataset, leave_one_out(dataset))["same_day"].tolist() == [-1, -1, -1]


def test_a_unit_is_told_by_where_its_times_lie() -> None:
    assert days_of(np.array([], np.int64)) is None
    assert days_of(np.array([1_389_000_000_000_000])) is None  # microseconds
    found = days_of(np.array([DAY * 16_000 - 1, DAY * 16_000]))
    assert found is not None
    assert found.tolist() == [15_999, 16_000]


@given(st.permutations(range(3)))
def test_shuffling_users_shuffles_the_facts(order: list[int]) -> None:
    plain, other = (dataset_of([ROWS[u] for u in users], [DAYS[u] for u in users])
                    for users in (range(3), order))  # fmt: skip
    ours, theirs = (
        query_facts(plain, leave_one_out(plain)),
        query_facts(other, leave_one_out(other)),
    )
    for name, values in ours.items():
        assert theirs[name].tolist() == values[order].tolist()

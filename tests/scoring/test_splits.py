"""Splits against a plain loop over users, and that nothing of the future reaches training."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokbench.errors import ConfigError, DatasetError
from tokbench.scoring.splits import (
    Split,
    leave_one_out,
    temporal,
    with_times,
    without_query_times,
)
from tokbench.types import Dataset, Queries, Sequences


def dataset_of(rows: list[Any], times: list[Any] | None = None, items: int = 50) -> Dataset:
    names = tuple(f"item-{n}" for n in range(items))
    return Dataset(
        name="few",
        item_ids=names,
        texts=names,
        titles=names,
        user_ids=tuple(f"user-{u}" for u in range(len(rows))),
        interactions=Sequences.of(rows),
        times=None if times is None else np.array([t for row in times for t in row], np.int64),
    )


def as_lists(rows: Sequences) -> list[list[int]]:
    return [rows[u].tolist() for u in range(len(rows))]


def asked(queries: Queries) -> list[tuple[int, list[int], int]]:
    columns = (queries.users.tolist(), as_lists(queries.histories), queries.targets.tolist())
    return list(zip(*columns, strict=True))


row_of_items = st.lists(st.integers(0, 49), min_size=3, max_size=9)


@given(st.lists(row_of_items, min_size=1, max_size=8))
def test_leave_one_out_against_slicing_each_row(rows: list[list[int]]) -> None:
    split = leave_one_out(dataset_of(rows))
    assert as_lists(split.histories.train) == [row[:-2] for row in rows]
    assert asked(split.histories.validation) == [
        (u, row[:-2], row[-2]) for u, row in enumerate(rows)
    ]
    assert asked(split.test) == [(u, row[:-1], row[-1]) for u, row in enumerate(rows)]
    assert split.protocol == "leave-one-out"


def test_a_short_user_is_named_counted_and_given_a_remedy() -> None:
    with pytest.raises(DatasetError) as caught:
        leave_one_out(dataset_of([[1, 2, 3], [4, 5], [6], [7, 8, 9]]))
    message = str(caught.value)
    assert "user 'user-1' has 2 interactions" in message
    assert "2 of 4 users" in message
    assert "at least 3" in message


def test_no_users_is_an_error() -> None:
    with pytest.raises(DatasetError, match="no users"):
        leave_one_out(dataset_of([]))


@given(rows=st.lists(row_of_items, min_size=2, max_size=6), seed=st.integers(0, 99))
def test_shuffling_users_shuffles_the_split(rows: list[list[int]], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(rows))
    plain = leave_one_out(dataset_of(rows))
    shuffled = leave_one_out(dataset_of([rows[u] for u in order]))
    assert shuffled.test.targets.tolist() == plain.test.targets[order].tolist()
    assert as_lists(shuffled.histories.train) == [as_lists(plain.histories.train)[u] for u in order]


@st.composite
def timed(draw: st.DrawFn) -> tuple[list[list[int]], list[list[int]]]:
    """Rows whose every interaction is an item of its own, so an item tells its time."""
    times = draw(
        st.lists(st.lists(st.integers(0, 30), max_size=8).map(sorted), min_size=2, max_size=8)
    )
    counter = iter(range(1000))
    return [[next(counter) for _ in row] for row in times], times


def split_or_none(data: Dataset, *fractions: float) -> Split | None:
    try:
        return temporal(data, *fractions)
    except DatasetError:  # a part came out empty: tested on its own below
        return None


@given(case=timed(), fractions=st.sampled_from([(0.1, 0.1), (0.3, 0.2), (0.05, 0.6)]))
def test_temporal_against_a_loop_and_without_a_future(
    case: tuple[list[list[int]], list[list[int]]], fractions: tuple[float, float]
) -> None:
    """No training interaction is as late as a cut, and no history reaches past its own."""
    rows, times = case
    split = split_or_none(dataset_of(rows, times, items=100), *fractions)
    if split is None:
        return
    when = {i: t for row, ts in zip(rows, times, strict=True) for i, t in zip(row, ts, strict=True)}
    trained = [when[i] for i in split.histories.train.items.tolist()]
    selected = [when[i] for i in split.histories.validation.targets.tolist()]
    tested = [when[i] for i in split.test.targets.tolist()]
    assert max(trained) < min(selected)
    assert max(selected) < min(tested)
    instants = sorted(when.values())
    test_from = instants[-max(1, round(len(instants) * fractions[1]))]
    validation_from = instants[-max(1, round(len(instants) * sum(fractions)))]
    assert asked(split.test) == loop(rows, times, test_from, 10**9)
    assert asked(split.histories.validation) == loop(rows, times, validation_from, test_from)
    heads = [[i for i in row if when[i] < validation_from] for row in rows]
    assert as_lists(split.histories.train) == [head for head in heads if head]


def loop(
    rows: list[list[int]], times: list[list[int]], start: int, end: int
) -> list[tuple[int, list[int], int]]:
    """What `asked` should give for the window [start, end), user by user: the oracle."""
    queries = []
    for user, (row, instants) in enumerate(zip(rows, times, strict=True)):
        past = [i for i, t in zip(row, instants, strict=True) if t < start]
        window = [i for i, t in zip(row, instants, strict=True) if start <= t < end]
        if past and window:
            queries.append((user, past, window[0]))
    return queries


@given(
    case=timed(),
    fractions=st.sampled_from([(0.1, 0.1), (0.3, 0.2), (0.05, 0.6)]),
    shared=st.integers(2, 9),
    warm=st.booleans(),
)
def test_all_targets_of_a_window_against_a_loop(
    case: tuple[list[list[int]], list[list[int]]],
    fractions: tuple[float, float],
    shared: int,
    warm: bool,
) -> None:
    """Items are shared between users here, so that some targets are known and some are not."""
    rows, times = [[i % shared for i in row] for row in case[0]], case[1]
    try:
        split = temporal(dataset_of(rows, times), *fractions, targets="all", warm=warm)
    except DatasetError:
        return
    assert split.protocol == ("temporal-all-warm" if warm else "temporal-all")
    instants = sorted(t for ts in times for t in ts)
    test_from = instants[-max(1, round(len(instants) * fractions[1]))]
    validation_from = instants[-max(1, round(len(instants) * sum(fractions)))]
    known = {
        item
        for row, ts in zip(rows, times, strict=True)
        for item, t in zip(row, ts, strict=True)
        if t < validation_from
    }
    for queries, start, end in (
        (split.histories.validation, validation_from, test_from),
        (split.test, test_from, 10**9),
    ):
        expected = []
        for user, (row, ts) in enumerate(zip(rows, times, strict=True)):
            for place, (item, t) in enumerate(zip(row, ts, strict=True)):
                if start <= t < end and ts[0] < start and (item in known or not warm):
                    expected.append((user, row[:place], item))
        assert asked(queries) == expected
    first = split_or_none(dataset_of(rows, times), *fractions)
    assert first is not None
    assert as_lists(first.histories.train) == as_lists(split.histories.train)


@given(case=timed(), shared=st.integers(2, 9))
def test_warm_leaves_out_the_queries_for_new_items_and_no_other(
    case: tuple[list[list[int]], list[list[int]]], shared: int
) -> None:
    dataset = dataset_of([[i % shared for i in row] for row in case[0]], case[1])
    try:
        warm = temporal(dataset, 0.3, 0.2, warm=True)
    except DatasetError:
        return
    plain = temporal(dataset, 0.3, 0.2)
    known = set(plain.histories.train.items.tolist())
    assert warm.protocol == "temporal-warm"
    assert asked(warm.test) == [query for query in asked(plain.test) if query[2] in known]
    assert asked(warm.histories.validation) == [
        query for query in asked(plain.histories.validation) if query[2] in known
    ]


def test_temporal_on_a_case_to_read() -> None:
    """Validation starts at 6 and test at 8. user-2 is new in the test window and asks nothing;
    user-3 is new in the validation window and asks only in the test window."""
    rows = [[0, 1, 2, 3], [4, 5, 6], [7], [8, 9]]
    times = [[0, 1, 6, 8], [2, 3, 9], [8], [6, 9]]
    split = temporal(dataset_of(rows, times), 0.3, 0.3)
    assert as_lists(split.histories.train) == [[0, 1], [4, 5]]
    assert asked(split.histories.validation) == [(0, [0, 1], 2)]
    assert asked(split.test) == [(0, [0, 1, 2], 3), (1, [4, 5], 6), (3, [8], 9)]
    with pytest.raises(DatasetError, match="nothing to select on"):
        temporal(dataset_of(rows, times), 0.3, 0.3, warm=True)
    rows[0][2], rows[1][2] = 5, 1
    every = temporal(dataset_of(rows, times), 0.3, 0.3, warm=True)
    assert asked(every.test) == [(1, [4, 5], 1)]


def test_one_instant_is_not_divided_and_keeps_file_order() -> None:
    """The cut for a tenth of ten falls inside day 9: all of that day is tested."""
    rows = [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    times = [[0, 1, 5, 9, 9], [2, 3, 5, 9, 9]]
    split = temporal(dataset_of(rows, times), 0.5, 0.1)
    assert asked(split.test) == [(0, [0, 1, 2], 3), (1, [5, 6, 7], 8)]


def test_temporal_says_what_is_wrong() -> None:
    rows, times = [[0, 1, 2], [3, 4, 5]], [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(DatasetError, match="time of each interaction"):
        temporal(dataset_of(rows))
    with pytest.raises(DatasetError, match=r"backwards for 1 users, the first: 'user-1'"):
        temporal(dataset_of(rows, [[0, 1, 2], [3, 5, 4]]))
    with pytest.raises(DatasetError, match="nothing to train on"):
        temporal(dataset_of(rows, [[7, 7, 7], [7, 7, 7]]))
    with pytest.raises(DatasetError, match="nothing to test on"):
        temporal(dataset_of([[0, 1, 2, 3], [4]], [[0, 1, 2, 2], [9]]), 0.3, 0.1)
    for fractions in ((0.5, 0.5), (0.0, 0.1), (0.1, -0.1)):
        with pytest.raises(ConfigError, match="sum below 1"):
            temporal(dataset_of(rows, times), *fractions)


def test_a_later_row_may_start_earlier() -> None:
    """Time may fall from one user's last interaction to the next user's first."""
    data = dataset_of([[0, 1, 2, 3], [4, 5, 6, 7]], [[6, 7, 8, 9], [0, 1, 7, 9]])
    assert temporal(data, 0.2, 0.2).test.targets.tolist() == [3, 7]


def test_the_digest_tells_splits_apart() -> None:
    rows, times = [[0, 1, 2, 3], [4, 5, 6, 7]], [[0, 1, 2, 3], [0, 1, 2, 3]]
    data = dataset_of(rows, times)
    assert leave_one_out(data).digest() == leave_one_out(data).digest()
    assert leave_one_out(data).digest() != leave_one_out(dataset_of(rows[::-1])).digest()
    assert leave_one_out(data).digest() != temporal(data, 0.25, 0.25).digest()


@pytest.mark.parametrize("protocol", [leave_one_out, temporal, partial(temporal, targets="all")])
@given(rows=timed())
def test_times_follow_their_items_and_leave_the_rest_as_it_was(
    protocol: Any, rows: tuple[list[list[int]], list[list[int]]]
) -> None:
    dataset = dataset_of(*rows, items=200)
    try:
        plain = protocol(dataset)
    except DatasetError:
        return
    told = protocol(with_times(dataset))
    time_of = {
        (u, item): time
        for u, (items, times) in enumerate(zip(*rows, strict=True))
        for item, time in zip(items, times, strict=True)
    }  # every interaction is an item of its own
    by_item = {item: time for (_, item), time in time_of.items()}
    for part, split in (("test", told.test), ("validation", told.histories.validation)):
        assert split.histories.asked is not None, part
        assert split.histories.asked.tolist() == [by_item[t] for t in split.targets.tolist()]
        assert split.histories.times is not None
        assert split.histories.times.tolist() == [
            by_item[item] for item in split.histories.items.tolist()
        ]
    train = told.histories.train
    assert train.times is not None
    assert train.asked is None
    assert train.times.tolist() == [by_item[item] for item in train.items.tolist()]
    hidden = without_query_times(told)
    assert hidden.test.histories.asked is None
    assert hidden.histories.validation.histories.asked is None
    assert hidden.test.histories.times is not None
    assert as_lists(told.test.histories) == as_lists(plain.test.histories)
    assert told.digest() != plain.digest()


def test_without_times_nothing_is_added() -> None:
    dataset = dataset_of([[1, 2, 3], [4, 5, 6]])
    assert leave_one_out(with_times(dataset)).digest() == leave_one_out(dataset).digest()

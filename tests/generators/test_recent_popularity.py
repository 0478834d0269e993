"""Recent popularity against counting by hand, query by query."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokbench.api import Runtime
from tokbench.generators.recent_popularity import QueryTimePopularity, RecentPopularity
from tokbench.types import Catalog, Histories, Queries, SemanticIds, Sequences

NO_QUERIES = Queries(np.zeros(0, np.int64), Sequences.of([]), np.zeros(0, np.int64))
IDS = SemanticIds(np.array([[0, 0], [0, 1], [1, 0], [1, 0], [2, 2]], np.int32), (3, 3))
CATALOG = Catalog(tuple("abcde"), tuple("abcde"), np.zeros((5, 1), np.float32))
RUNTIME = Runtime()

events = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=1, max_size=6)


def timed(rows: list[list[tuple[int, int]]], asked: list[int] | None = None) -> Sequences:
    """Rows of (time, item), in the order of their times."""
    rows = [sorted(row, key=lambda event: event[0]) for row in rows]
    plain = Sequences.of([[item for _, item in row] for row in rows])
    times = np.array([time for row in rows for time, _ in row], np.int64)
    return Sequences(
        plain.offsets, plain.items, times, None if asked is None else np.array(asked, np.int64)
    )


def tuple_of(item: int) -> tuple[int, ...]:
    return tuple(IDS.codes[item].tolist())


@pytest.mark.parametrize("cls", [RecentPopularity, QueryTimePopularity])
@given(
    train=st.lists(events, min_size=1, max_size=5),
    history=events,
    asked=st.integers(0, 10),
    window=st.integers(1, 8),
)
def test_the_newest_interactions_before_the_query_are_counted(
    cls: type[RecentPopularity],
    train: list[list[tuple[int, int]]],
    history: list[tuple[int, int]],
    asked: int,
    window: int,
) -> None:
    rows = timed(train)
    model = cls.of(window=window).train(
        CATALOG, Histories(rows, NO_QUERIES), IDS, seed=0, runtime=RUNTIME
    )
    beams = model.generate(timed([history], [asked]), width=4, runtime=RUNTIME)
    assert rows.times is not None
    flat = sorted(
        zip(rows.times.tolist(), range(len(rows.items)), rows.items.tolist(), strict=True)
    )
    now = max(time for time, _ in history)
    known = [
        item for time, _, item in flat if (time < asked if cls.uses_query_time else time <= now)
    ]
    counts = Counter(tuple_of(item) for item in known[-window:])
    shown = [tuple(codes) for codes in beams.codes[0].tolist()]
    assert sorted(shown) == sorted({tuple_of(item) for item in range(5)})  # everything is ranked
    assert beams.scores[0].tolist() == [counts[codes] for codes in shown]
    assert (np.diff(beams.scores[0]) <= 0).all()
    overall = Counter(tuple_of(item) for item in [*range(5), *rows.items.tolist()])
    rest = [overall[codes] for codes in shown if counts[codes] == 0]
    assert rest == sorted(rest, reverse=True)


def test_without_times_each_rows_last_items_count() -> None:
    rows = Sequences.of([[0, 1, 4], [0, 0, 0, 4], [1]])
    model = RecentPopularity.of(last=1).train(
        CATALOG, Histories(rows, NO_QUERIES), IDS, seed=0, runtime=RUNTIME
    )
    beams = model.generate(Sequences.of([[2], []]), width=3, runtime=RUNTIME)
    assert beams.codes.tolist() == [[[2, 2], [0, 1], [0, 0]]] * 2
    assert beams.scores.tolist() == [[2, 1, 0]] * 2


def test_an_empty_history_sees_all_of_the_training_data() -> None:
    rows = timed([[(0, 0), (1, 1), (2, 4)]])
    model = RecentPopularity.of(window=1).train(
        CATALOG, Histories(rows, NO_QUERIES), IDS, seed=0, runtime=RUNTIME
    )
    beams = model.generate(timed([[]]), width=1, runtime=RUNTIME)
    assert beams.codes.tolist() == [[[2, 2]]]


def test_restored_from_its_state_it_says_the_same() -> None:
    model = RecentPopularity().train(
        CATALOG,
        Histories(timed([[(3, 1), (4, 2)], [(1, 0)]]), NO_QUERIES),
        IDS,
        seed=0,
        runtime=RUNTIME,
    )
    again = RecentPopularity().restore(model.state(), IDS)
    query = timed([[(2, 3)], [(9, 0)]])
    before, after = (m.generate(query, width=3, runtime=RUNTIME) for m in (model, again))
    assert np.array_equal(before.codes, after.codes)
    assert np.array_equal(before.scores, after.scores)
    assert before.codes[0].tolist() != before.codes[1].tolist()  # other times, other windows

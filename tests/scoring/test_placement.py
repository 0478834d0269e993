"""Placement against a walk through the beams, one query and one beam at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokbench.scoring.placement import place
from tokbench.types import Beams, Ints, Placement, SemanticIds

SIZES = (3, 2)
TUPLES = list(product(range(3), range(2)))
PADDING = (-1, -1)


Row = Sequence[tuple[int, ...]]


def ids_of(codes: Any, sizes: tuple[int, ...] = SIZES) -> SemanticIds:
    return SemanticIds(np.array(codes, np.int32), sizes)


def scored(codes: Any) -> Beams:
    """Beams of these codes [Q, B, M] with falling scores."""
    codes = np.array(codes, np.int32)
    scores = -np.arange(codes.shape[1], dtype=np.float32)
    return Beams(codes, np.broadcast_to(scores, codes.shape[:2]))


def beams_of(rows: Sequence[Row], width: int) -> Beams:
    return scored([[*row, *[PADDING] * (width - len(row))] for row in rows])


def walk(row: Row, ids: SemanticIds, target: int) -> tuple[int, int, int]:
    """(position, ahead, group) by following one row of beams: the oracle."""
    items = [tuple(int(c) for c in codes) for codes in ids.codes]
    group, ahead = items.count(items[target]), 0
    seen: list[tuple[int, ...]] = []
    for beam in row:
        if beam in seen or beam == PADDING:
            continue
        if beam == items[target]:
            return len(seen), ahead, group
        seen.append(beam)
        ahead += max(items.count(beam), 1)  # a tuple of no item takes one slot
    return -1, -1, group


def rows_of(placement: Placement) -> list[tuple[int, int, int]]:
    columns = (placement.position, placement.ahead, placement.group)
    return list(zip(*(column.tolist() for column in columns), strict=True))


catalogues = st.lists(st.sampled_from(TUPLES), min_size=1, max_size=12).map(ids_of)
any_beam = st.sampled_from([*TUPLES, PADDING, (7, 0), (0, 9), (2, -1)])


@given(ids=catalogues, data=st.data())
def test_equals_a_walk_through_the_beams(ids: SemanticIds, data: st.DataObject) -> None:
    """Also with repeated tuples, tuples of no item, codes out of range and padding in between."""
    rows = data.draw(st.lists(st.lists(any_beam, max_size=8), min_size=1, max_size=4))
    item = st.integers(0, len(ids) - 1)
    targets = data.draw(st.lists(item, min_size=len(rows), max_size=len(rows)))
    placed = place(beams_of(rows, 8), ids, targets)
    assert rows_of(placed) == [walk(row, ids, t) for row, t in zip(rows, targets, strict=True)]


def test_a_case_to_read() -> None:
    ids = ids_of([[0, 0], [0, 0], [0, 0], [1, 1], [2, 0], [2, 0]])
    rows = [[(0, 0), (1, 1), (2, 0)]] * 4
    assert rows_of(place(beams_of(rows, 3), ids, [1, 3, 5, 4])) == [
        (0, 0, 3),
        (1, 3, 1),
        (2, 4, 2),
        (2, 4, 2),
    ]


def test_a_tuple_of_no_item_takes_one_slot_and_padding_none() -> None:
    ids = ids_of([[0, 0], [1, 1]])
    invalid = place(beams_of([[(2, 1), (1, 1)]], 2), ids, [1])
    padded = place(beams_of([[PADDING, (1, 1)]], 2), ids, [1])
    assert rows_of(invalid) == [(1, 1, 1)]
    assert rows_of(padded) == [(0, 0, 1)]


def test_a_repeated_tuple_is_counted_once() -> None:
    ids = ids_of([[0, 0], [0, 0], [1, 1]])
    once = place(beams_of([[(0, 0), (1, 1)]], 4), ids, [2])
    twice = place(beams_of([[(0, 0), (0, 0), (1, 1), (1, 1)]], 4), ids, [2])
    assert rows_of(once) == rows_of(twice) == [(1, 2, 1)]


def test_missed_targets_keep_their_group_size() -> None:
    ids = ids_of([[0, 0], [0, 0], [1, 1]])
    assert rows_of(place(beams_of([[(1, 1)], []], 2), ids, [0, 0])) == [(-1, -1, 2), (-1, -1, 2)]


def test_no_beams_at_all() -> None:
    ids = ids_of([[0, 0]])
    nothing = scored(np.zeros((2, 0, 2)))
    assert rows_of(place(nothing, ids, [0, 0])) == [(-1, -1, 1)] * 2


def test_more_tuples_than_an_int64_can_number() -> None:
    """256^32 tuples: neighbours in a key that overflowed would be confused."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (50, 32))
    codes[1:, -1] = codes[0, -1]
    ids = ids_of(codes, (256,) * 32)
    order = rng.permutation(50)
    beams = scored(codes[order][None].repeat(50, axis=0))
    assert place(beams, ids, np.arange(50)).position.tolist() == np.argsort(order).tolist()


def random_case(seed: int) -> tuple[Beams, SemanticIds, Ints]:
    rng = np.random.default_rng(seed)
    ids = ids_of(rng.integers(0, 4, (60, 3)), (4, 4, 4))
    tuples, _, _ = ids.groups()
    rows = [tuples[rng.permutation(len(tuples))[:12]] for _ in range(30)]
    return scored(rows), ids, rng.integers(0, 60, 30)


@pytest.mark.parametrize("seed", range(3))
def test_shuffling_queries_shuffles_the_answer(seed: int) -> None:
    beams, ids, targets = random_case(seed)
    order = np.random.default_rng(seed).permutation(len(targets))
    shuffled = place(scored(beams.codes[order]), ids, targets[order])
    expected = rows_of(place(beams, ids, targets))
    assert rows_of(shuffled) == [expected[q] for q in order]


@pytest.mark.parametrize("seed", range(3))
def test_relabelling_the_codes_of_a_level_changes_nothing(seed: int) -> None:
    beams, ids, targets = random_case(seed)
    rng = np.random.default_rng(seed)
    names = [rng.permutation(4) for _ in range(3)]
    renamed_ids = np.stack([names[m][ids.codes[:, m]] for m in range(3)], axis=1)
    renamed_beams = np.stack([names[m][beams.codes[..., m]] for m in range(3)], axis=2)
    renamed = place(scored(renamed_beams), ids_of(renamed_ids, ids.level_sizes), targets)
    assert rows_of(renamed) == rows_of(place(beams, ids, targets))


def test_thousands_of_queries_take_a_fraction_of_a_second() -> None:
    rng = np.random.default_rng(0)
    ids = ids_of(rng.integers(0, 64, (40_000, 3)), (64, 64, 64))
    beams = scored(ids.codes[rng.integers(0, 40_000, (5_000, 50))])
    targets = rng.integers(0, 40_000, 5_000)
    started = time.perf_counter()
    place(beams, ids, targets)
    assert time.perf_counter() - started < 2.0  # measured: 0.08 s

"""Popularity against counting by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokbench.api import Runtime
from tokbench.generators.popularity import Popularity, PopularityModel
from tokbench.types import Catalog, Histories, Queries, SemanticIds, Sequences

Rows = list[list[int]]
NO_QUERIES = Queries(np.zeros(0, np.int64), Sequences.of([]), np.zeros(0, np.int64))
CODES = [[0, 0], [0, 1], [1, 0], [1, 0], [1, 0], [2, 2], [2, 2]]  # 7 items, 4 tuples


def ids_of(codes: Any, sizes: tuple[int, ...] = (3, 3)) -> SemanticIds:
    return SemanticIds(np.array(codes, np.int32), sizes)


def trained(rows: Rows, ids: SemanticIds, seed: int = 0) -> PopularityModel:
    names = tuple(map(str, range(len(ids))))
    catalog = Catalog(names, names, np.zeros((len(ids), 1), np.float32))
    histories = Histories(Sequences.of(rows), NO_QUERIES)
    return Popularity().train(catalog, histories, ids, seed=seed, runtime=Runtime())


@given(st.lists(st.lists(st.integers(0, 6), max_size=6), max_size=6))
def test_tuples_come_by_count_with_smoothed_log_probabilities(rows: Rows) -> None:
    ids = ids_of(CODES)
    beams = trained(rows, ids).generate(Sequences.of([[1], []]), width=4, runtime=Runtime())
    counts: Counter[tuple[int, ...]] = Counter(tuple(codes) for codes in CODES)  # one each
    for row in rows:
        counts.update(tuple(CODES[item]) for item in row)
    for q in range(2):
        shown = [tuple(codes) for codes in beams.codes[q].tolist()]
        assert sorted(shown) == sorted(counts)
        expected = [np.log(counts[codes] / counts.total()) for codes in shown]
        assert beams.scores[q].tolist() == pytest.approx(expected, rel=1e-6)
        assert (np.diff(beams.scores[q]) <= 0).all()
        assert np.exp(beams.scores[q]).sum() == pytest.approx(1)


def test_a_short_list_is_padded_and_a_long_one_cut() -> None:
    model = trained([[5, 5, 1]], ids_of(CODES))
    wide = model.generate(Sequences.of([[0]]), width=6, runtime=Runtime())
    assert wide.codes[0, 4:].tolist() == [[-1, -1]] * 2
    assert np.isneginf(wide.scores[0, 4:]).all()
    narrow = model.generate(Sequences.of([[0]]), width=2, runtime=Runtime())
    assert np.array_equal(narrow.codes, wide.codes[:, :2])


def test_equal_counts_are_ordered_by_the_seed() -> None:
    ids = ids_of([[n] for n in range(50)], (50,))
    query = Sequences.of([[0]])
    lists = [
        trained([], ids, seed).generate(query, width=50, runtime=Runtime()).codes.ravel().tolist()
        for seed in (1, 1, 2)
    ]
    assert lists[0] == lists[1] != lists[2]
    assert lists[0] != sorted(lists[0])


def test_restored_from_its_state_it_says_the_same() -> None:
    ids = ids_of(CODES)
    model = trained([[0, 3, 5], [5, 1]], ids)
    again = Popularity().restore(model.state(), ids)
    query = Sequences.of([[2]])
    before, after = (m.generate(query, width=3, runtime=Runtime()) for m in (model, again))
    assert np.array_equal(before.codes, after.codes)
    assert np.array_equal(before.scores, after.scores)
    assert all(isinstance(array, np.ndarray) for array in model.state().values())

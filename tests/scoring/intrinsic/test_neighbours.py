"""Neighbourhoods by loops over explicit orders, on twenty items."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from tokbench.scoring.intrinsic import asked
from tokbench.scoring.intrinsic.neighbours import code_overlap, nearest, vector_overlap
from tokbench.types import Floats, SemanticIds

RNG = np.random.default_rng(0)
X: Floats = RNG.normal(size=(20, 5)).astype(np.float32)
IDS = SemanticIds(RNG.integers(0, 3, (20, 3)).astype(np.int32), (3, 3, 3))
ROWS = np.arange(20)


def test_nearest_by_cosine_against_sklearn() -> None:
    model = NearestNeighbors(n_neighbors=5, metric="cosine", algorithm="brute").fit(X)
    expected = model.kneighbors(return_distance=False)
    assert np.array_equal(np.sort(nearest(X, ROWS, 4 + 1), axis=1), np.sort(expected, axis=1))


def by_random_orders(keys: list[list[tuple[float, ...]]], k: int) -> float:
    """Mean overlap with the k first of each row's order, ties put in 2,000 random orders."""
    rng = np.random.default_rng(5)
    wanted = nearest(X, ROWS, k)
    shares = []
    for _ in range(2000):
        chance = rng.random(20)
        for i in range(20):
            others = [j for j in range(20) if j != i]
            others.sort(key=lambda j: (*keys[i][j], chance[j]))
            shares.append(len(set(others[:k]) & set(wanted[i].tolist())) / k)
    return float(np.mean(shares))


def shared(a: list[int], b: list[int]) -> int:
    length = 0
    while length < len(a) and a[length] == b[length]:
        length += 1
    return length


def test_code_overlap_is_the_mean_over_random_orders_of_ties() -> None:
    rows = IDS.codes.tolist()
    keys: list[list[tuple[float, ...]]] = [
        [(-shared(a, b), sum(p != q for p, q in zip(a, b, strict=True))) for b in rows]
        for a in rows
    ]
    found = code_overlap(IDS, nearest(X, ROWS, 4), ROWS)
    assert found == pytest.approx(by_random_orders(keys, 4), abs=0.004)


def test_vector_overlap_is_the_mean_over_random_orders_of_ties() -> None:
    tuples, member, _ = IDS.groups()
    vectors = np.random.default_rng(2).normal(size=(len(tuples), 5)).astype(np.float32)
    assert len(tuples) < 20, "some items share a tuple, so that there are ties"
    v = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = v @ v.T
    keys: list[list[tuple[float, ...]]] = [
        [(-float(near[member[i], member[j]]),) for j in range(20)] for i in range(20)
    ]
    found = vector_overlap(vectors, IDS, nearest(X, ROWS, 4), ROWS)
    assert found == pytest.approx(by_random_orders(keys, 4), abs=0.004)


def test_codes_that_say_nothing_overlap_as_chance_does() -> None:
    ids = SemanticIds(np.zeros((20, 2), np.int32), (3, 3))
    assert code_overlap(ids, nearest(X, ROWS, 4), ROWS) == pytest.approx(4 / 19)


def test_codes_that_are_the_neighbourhoods_overlap_fully() -> None:
    x = np.repeat(np.eye(4, dtype=np.float32), 5, axis=0)
    x += np.random.default_rng(0).normal(size=x.shape).astype(np.float32) * 0.01
    ids = SemanticIds(np.repeat(np.arange(4), 5)[:, None].astype(np.int32), (4,))
    assert code_overlap(ids, nearest(x, ROWS, 4), ROWS) == 1.0


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = code_overlap(IDS, nearest(X, ROWS, 4), ROWS)
    monkeypatch.setattr("tokbench.scoring.intrinsic.neighbours.CELLS", 50)
    assert code_overlap(IDS, nearest(X, ROWS, 4), ROWS) == whole


def test_large_catalogues_ask_for_a_sample() -> None:
    assert np.array_equal(asked(10_000), np.arange(10_000))
    rows = asked(10_001)
    assert len(rows) == 2_000
    assert len(np.unique(rows)) == 2_000
    assert np.array_equal(rows, asked(10_001))

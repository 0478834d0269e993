"""New rows of a frozen table: against a search over all codes, and old rows untouched."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tests.scoring.test_collisions import error, means_by_hand, random_case, tuples
from tokbench.errors import ConfigError
from tokbench.nn.kmeans import residual_kmeans
from tokbench.scoring.extending import extend
from tokbench.types import SemanticIds


@pytest.mark.parametrize("seed", range(5))
def test_a_new_item_gets_the_nearest_code_level_by_level(seed: int) -> None:
    ids, x = random_case(seed, 12, (4, 5))
    added = np.random.default_rng(seed + 100).normal(size=(6, 5)).astype(np.float32)
    books = means_by_hand(ids, x)
    found = tuples(extend(ids, x, added, policy="none"))
    assert found[:12] == tuples(ids)
    for n, codes in enumerate(found[12:]):
        left = added[n].astype(np.float64)
        for level, book in enumerate(books):
            used = sorted(set(ids.codes[:, level].tolist()))
            best = min(used, key=lambda code: float(np.square(left - book[code]).sum()))
            assert codes[level] == best
            left = left - book[best]


def test_residual_kmeans_codes_new_items_as_its_own_centroids_do() -> None:
    """2,000 points are clustered; 200 more get the codes of the nearest centroids, level by level,
    up to what the last iteration moves a centroid from the mean of its points."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(12, 6)) * 4
    points = (centres[rng.integers(0, 12, 2200)] + rng.normal(size=(2200, 6))).astype(np.float32)
    books = residual_kmeans(points[:2000], 8, 2, seed=0)

    def own(x: np.ndarray) -> np.ndarray:
        codes, left = [], x.astype(np.float64)
        for book in books:
            code = np.square(left[:, None] - book).sum(axis=2).argmin(axis=1)
            codes.append(code)
            left = left - book[code]
        return np.stack(codes, axis=1)

    ids = SemanticIds(own(points[:2000]).astype(np.int32), (8, 8))
    found = extend(ids, points[:2000], points[2000:], policy="none").codes[2000:]
    assert (found == own(points[2000:])).all(axis=1).mean() > 0.97


@pytest.mark.parametrize("seed", range(5))
def test_tuples_are_unique_old_items_stay_and_moves_are_the_best_there_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = rng.permutation(list(product(range(4), range(4), range(4))))[:20]
    ids = SemanticIds(cells.astype(np.int32), (4, 4, 4))
    x = rng.normal(size=(20, 5)).astype(np.float32)
    added = rng.normal(size=(15, 5)).astype(np.float32)
    found = tuples(extend(ids, x, added, policy="nearest-free"))
    raw = tuples(extend(ids, x, added, policy="none"))
    assert found[:20] == tuples(ids)
    assert len(set(found)) == 35
    books, taken = means_by_hand(ids, x), set(found[:20])
    both = np.concatenate([x, added])
    best_first = sorted(range(20, 35), key=lambda n: error(both, n, raw[n], books))
    stay = []
    for n in best_first:
        if raw[n] not in taken:
            assert found[n] == raw[n]
            taken.add(raw[n])
            stay.append(n)
    for n in (n for n in best_first if n not in stay):
        reach = [(raw[n][0], *rest) for rest in product(range(4), repeat=2)]
        free = [codes for codes in reach if codes not in taken]
        if free:
            least = min(error(both, n, codes, books) for codes in free)
            assert error(both, n, found[n], books) == pytest.approx(least)
        taken.add(found[n])


def test_a_table_that_is_too_small_and_other_policies_are_refused() -> None:
    ids = SemanticIds(np.array([[0, 0], [0, 1], [1, 0]], np.int32), (2, 2))
    x = np.eye(3, dtype=np.float32)
    with pytest.raises(ConfigError, match="4 tuples for 6 items"):
        extend(ids, x, x, policy="nearest-free")
    with pytest.raises(ConfigError, match="nearest-free, none"):
        extend(ids, x, x, policy="sinkhorn")

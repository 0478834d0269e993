"""Residual k-means: what each level leaves over, equal clusters, unseen items, and the kit."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from tokbench import Catalog, Runtime
from tokbench.testing import assert_conforms
from tokbench_residual_kmeans import Codebooks, ResidualKMeans


def catalog_of(embeddings: NDArray[np.floating]) -> Catalog:
    ids = tuple(f"item-{n}" for n in range(len(embeddings)))
    return Catalog(ids, ids, embeddings.astype(np.float32))


def fitted(points: NDArray[np.floating], seed: int = 0, **options: object) -> Codebooks:
    return ResidualKMeans.of(**options).fit(catalog_of(points), seed=seed, runtime=Runtime())


def left_over(points: NDArray[np.floating], found: Codebooks) -> list[float]:
    """Mean squared norm of what is left after each level, by a loop of its own."""
    rest = []
    r = points.astype(np.float64)
    for level, book in enumerate(found.books):
        r = np.array([row - book[code] for row, code in zip(r, found.codes[:, level], strict=True)])
        rest.append(float((r**2).sum(axis=1).mean()))
    return rest


@pytest.fixture(scope="module")
def points() -> NDArray[np.float64]:
    chance = np.random.default_rng(0)
    return chance.normal(size=(12, 6))[chance.integers(0, 12, 300)] + 0.4 * chance.normal(
        size=(300, 6)
    )


@pytest.mark.parametrize("balance", [False, True])
def test_the_conformance_kit(balance: bool) -> None:
    assert_conforms(ResidualKMeans, balance=balance)


def test_plain_levels_explain_as_much_as_scikit_learn_does(points: NDArray[np.float64]) -> None:
    """Two levels by hand: k-means, subtract, k-means again; one start each, so within 10 %."""
    found = fitted(points, codebook_size=8, levels=2)
    first = KMeans(8, n_init=5, random_state=0).fit(points)
    rest = points - first.cluster_centers_[first.labels_]
    second = KMeans(8, n_init=5, random_state=0).fit(rest)
    expected = [first.inertia_ / 300, second.inertia_ / 300]
    assert left_over(points, found) == pytest.approx(expected, rel=0.10)


def test_plain_codes_name_the_nearest_centroid(points: NDArray[np.float64]) -> None:
    found = fitted(points, codebook_size=8, levels=2)
    distances = ((points[:, None] - found.books[0][None]) ** 2).sum(axis=2)
    assert np.array_equal(found.codes[:, 0], distances.argmin(axis=1))
    assert np.array_equal(found.encode(points.astype(np.float32)), found.codes)


@pytest.mark.parametrize(("slack", "sizes"), [(0, {37, 38}), (2, {35, 36, 37, 38, 39, 40})])
def test_balanced_levels_hold_equally_many_items(
    points: NDArray[np.float64], slack: int, sizes: set[int]
) -> None:
    found = fitted(points, codebook_size=8, balance=True, slack=slack)
    for level in found.codes.T:
        assert set(np.bincount(level, minlength=8).tolist()) <= sizes


def test_balanced_centroids_are_the_means_of_their_items(points: NDArray[np.float64]) -> None:
    found = fitted(points, codebook_size=8, levels=1, balance=True)
    for code in range(8):
        mean = points[found.codes[:, 0] == code].mean(axis=0)
        assert found.books[0][code] == pytest.approx(mean, abs=1e-5)


def test_unseen_items_get_the_codes_of_their_neighbours(points: NDArray[np.float64]) -> None:
    found = fitted(points, codebook_size=8)
    moved = (points + 1e-4).astype(np.float32)
    assert np.mean(found.encode(moved) == found.codes) > 0.97


def test_presets_have_the_published_shapes() -> None:
    """OneRec: 3 levels of 8192; MiniOneRec and GRID: 3 of 256."""
    shapes = {
        name: (ResidualKMeans.of(**options).config.levels, options.get("codebook_size", 64))
        for name, options in ResidualKMeans.presets.items()
    }
    assert shapes == {
        "balanced": (3, 64), "paper": (3, 8192), "minionerec": (3, 256), "grid": (3, 256)
    }  # fmt: skip


@pytest.mark.parametrize("balance", [False, True])
def test_it_decodes_to_what_the_levels_explained(
    points: NDArray[np.float64], balance: bool
) -> None:
    found = fitted(points, codebook_size=8, levels=2, balance=balance)
    error = np.square(points - found.decode(found.codes)).sum(axis=1).mean()
    assert error == pytest.approx(left_over(points, found)[-1], rel=1e-5)
    runtime = Runtime()
    ResidualKMeans.of(codebook_size=8).tokenize(catalog_of(points), seed=0, runtime=runtime)
    assert runtime.kept["parameters"] == 3 * 8 * 6

"""K-means and its relatives on planted clusters and against scikit-learn's own score."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from tokbench.nn.kmeans import (
    kmeans,
    means,
    nearest,
    residual_kmeans,
)

Points = NDArray[np.float32]


def blobs(items: int = 300, centers: int = 6, seed: int = 0) -> tuple[Points, NDArray[np.int64]]:
    points, labels = make_blobs(items, 5, centers=centers, cluster_std=0.3, random_state=seed)
    return points.astype(np.float32), labels.astype(np.int64)


def same_partition(one: NDArray[np.int64], two: NDArray[np.int64]) -> bool:
    return len({*zip(one, two, strict=True)}) == len(set(one)) == len(set(two))


def inertia(points: Points, centroids: Points) -> float:
    return float(((points[:, None] - centroids[None]) ** 2).sum(-1).min(axis=1).sum())


def test_planted_clusters_are_found() -> None:
    points, truth = blobs()
    centroids = kmeans(points, 6, seed=0)
    assert same_partition(nearest(points, centroids), truth)


def test_as_good_as_scikit_learn_with_ten_starts_give_or_take_a_tenth() -> None:
    points = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    best = KMeans(16, n_init=10, random_state=0).fit(points).inertia_
    assert inertia(points, kmeans(points, 16, seed=0)) < 1.1 * best


def topics(items: int, dim: int) -> Points:
    """Embeddings of topics within topics, with a large common mean: no clusters that any start
    finds."""
    rng = np.random.default_rng(0)
    top, sub = rng.normal(size=(12, dim)), rng.normal(size=(150, dim))
    chosen = rng.integers(150, size=items)
    points = 3 + top[chosen % 12] + sub[chosen] + rng.normal(size=(items, dim))
    return points.astype(np.float32)


@pytest.mark.parametrize(
    ("items", "dim", "clusters"),
    [
        pytest.param(600, 400, 16, id="few points: inner products"),
        pytest.param(3000, 32, 16, id="blocks"),
        pytest.param(6000, 32, 8, id="a sample, then all"),
    ],
)
def test_inertia_is_that_of_scikit_learn_within_a_hundredth(
    items: int, dim: int, clusters: int
) -> None:
    points = topics(items, dim)
    theirs = [
        KMeans(clusters, n_init=1, max_iter=25, random_state=seed).fit(points).inertia_
        for seed in range(5)
    ]
    ours = [inertia(points, kmeans(points, clusters, seed=seed)) for seed in range(5)]
    assert np.mean(ours) < 1.01 * np.mean(theirs)


def test_the_result_is_the_same_at_any_number_of_threads() -> None:
    points, before = topics(5000, 24), torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found.append((kmeans(points, 8, seed=0), residual_kmeans(points, 8, 2, seed=0)))
    finally:
        torch.set_num_threads(before)
    for one, books in found[1:]:
        assert np.array_equal(one, found[0][0])
        assert np.array_equal(books, found[0][1])


def test_a_mapped_table_gives_the_same_and_is_not_copied(tmp_path: Path) -> None:
    points = topics(9000, 64)
    np.save(tmp_path / "table.npy", points)
    mapped = np.load(tmp_path / "table.npy", mmap_mode="r")
    tracemalloc.start()
    centroids = kmeans(mapped, 4, seed=0)
    labels = nearest(mapped, centroids)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < points.nbytes
    assert np.array_equal(centroids, kmeans(points, 4, seed=0))
    assert np.array_equal(labels, nearest(points, centroids))
    before = points.copy()
    assert np.array_equal(
        residual_kmeans(mapped, 4, 3, seed=0), residual_kmeans(points, 4, 3, seed=0)
    )
    assert np.array_equal(points, before)  # the residuals are worked out elsewhere


def test_nearest_is_the_definition_also_far_from_the_origin() -> None:
    rng = np.random.default_rng(0)
    points = (100 + rng.normal(size=(5000, 6))).astype(np.float32)
    centroids = points[:20] + np.float32(0.01)
    difference = points[:, None].astype(np.float64) - centroids[None]
    truth = (difference**2).sum(axis=2)
    chosen = truth[np.arange(5000), nearest(points, centroids)]
    assert (chosen - truth.min(axis=1)).max() < 1e-3
    assert nearest(points[:1], np.repeat(points[:1], 3, axis=0)).tolist() == [0]  # ties: the first


def test_a_duplicate_never_parts_from_its_twin() -> None:
    points = np.repeat(topics(40, 100), 5, axis=0)
    labels = nearest(points, kmeans(points, 10, seed=0))
    assert (labels.reshape(40, 5) == labels[::5, None]).all()
    few = np.repeat(np.eye(3, dtype=np.float32), 40, axis=0)  # fewer distinct than clusters
    assert inertia(few, kmeans(few, 8, seed=0)) < 1e-9


def test_seeds_repeat_and_differ() -> None:
    points = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    assert np.array_equal(kmeans(points, 8, seed=3), kmeans(points, 8, seed=3))
    assert not np.array_equal(kmeans(points, 8, seed=3), kmeans(points, 8, seed=4))


def test_fewer_points_than_clusters_repeat_points_and_duplicates_are_fine() -> None:
    points = np.array([[0, 0], [1, 1], [2, 2]], np.float32)
    centroids = kmeans(points, 5, seed=0)
    assert centroids.shape == (5, 2)
    np.testing.assert_allclose(np.unique(centroids, axis=0), points)
    assert np.isfinite(kmeans(np.ones((20, 3), np.float32), 4, seed=0)).all()


def test_means_of_clusters_and_the_fallback_of_empty_ones() -> None:
    points = np.array([[1, 2], [3, 4], [9, 9]], np.float32)
    found = means(points, np.array([0, 0, 2]), np.full((3, 2), 7, np.float32))
    np.testing.assert_allclose(found, [[2, 3], [7, 7], [9, 9]])

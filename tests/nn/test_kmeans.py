"""K-means and its relatives on planted clusters and against scikit-learn's own score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from tokbench.nn.kmeans import (
    bounded_kmeans,
    kmeans,
    means,
    nearest,
    pooled_residual_kmeans,
    residual_kmeans,
    residuals,
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


def test_residual_kmeans_codes_what_the_levels_before_left_over() -> None:
    points, _ = blobs()
    books = residual_kmeans(points, 6, 3, seed=0)
    r = residuals(points, books, 3)
    np.testing.assert_array_equal(r[0], points)
    norms = [float(np.square(level).sum()) for level in r]
    assert norms[0] > 20 * norms[1] > 20 * norms[2] / 3  # blobs are solved by the first level
    np.testing.assert_allclose(books[1], kmeans(r[1], 6, seed=1), rtol=1e-5)


def test_a_pooled_codebook_serves_the_deeper_levels_better_than_one_made_of_the_first() -> None:
    """The shared codebook's initialisation: k-means of z alone has no vector short enough for the
    residuals, so the deeper levels gain nothing."""
    rng = np.random.default_rng(0)
    points = (5 + rng.normal(size=(600, 4))).astype(np.float32)  # latents have a common mean
    pooled = pooled_residual_kmeans(points, 32, 3, seed=0)
    assert pooled.shape == (1, 32, 4)
    first = kmeans(points, 32, seed=0)[None]

    def left_over(books: Points) -> list[float]:
        r = residuals(points, books, 3)
        last = r[-1] - books[0][nearest(r[-1], books[0])]
        return [float(np.square(level).sum()) for level in [*r[1:], last]]

    assert left_over(pooled)[-1] < left_over(pooled)[0] / 3
    assert left_over(first)[-1] > left_over(first)[0] * 3  # every further level makes it worse


def test_bounded_clusters_keep_their_bounds_and_change_nothing_where_there_is_room() -> None:
    points, truth = blobs(303, centers=6)
    labels = bounded_kmeans(points, 7, lower=43, upper=44, seed=0)
    assert sorted(np.bincount(labels)) == [43, 43, 43, 43, 43, 44, 44]
    free = bounded_kmeans(points, 6, lower=0, upper=303, seed=0)
    assert same_partition(free, truth)


def test_balanced_clusters_of_planted_equal_blobs_are_the_blobs() -> None:
    points, truth = blobs(300, centers=6)
    assert same_partition(bounded_kmeans(points, 6, lower=50, upper=50, seed=0), truth)


def test_means_of_clusters_and_the_fallback_of_empty_ones() -> None:
    points = np.array([[1, 2], [3, 4], [9, 9]], np.float32)
    found = means(points, np.array([0, 0, 2]), np.full((3, 2), 7, np.float32))
    np.testing.assert_allclose(found, [[2, 3], [7, 7], [9, 9]])

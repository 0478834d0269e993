"""K-means, its residual form (codebook initialisation), and assignment under size limits.

Axes: N points, d dimensions, K clusters, M levels. numpy in, numpy out.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from tokbench.nn.transport import bounded_assignment

Points = NDArray[np.float32]
Labels = NDArray[np.int64]


def kmeans(points: Points, clusters: int, *, seed: int, iterations: int = 25) -> Points:
    """[K, d] centroids by k-means++ and Lloyd (scikit-learn), one start.

    With fewer points than clusters, or fewer distinct ones, the spare centroids repeat a point.
    One thread, because scikit-learn adds its threads' sums in order of arrival: with three or
    more the last bits would differ from run to run.
    """
    count = min(clusters, len(points))
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than clusters
        model = KMeans(count, n_init=1, max_iter=iterations, random_state=seed % 2**32).fit(points)
    centroids = np.asarray(model.cluster_centers_, np.float32)
    spare = np.resize(points, (clusters - count, points.shape[1]))
    return np.concatenate([centroids, spare.astype(np.float32)])


def nearest(points: Points, centroids: Points) -> Labels:
    """[N] the nearest centroid of each point."""
    labels: Labels = squared_distances(points, centroids).argmin(axis=1).astype(np.int64)
    return labels


def squared_distances(points: Points, centroids: Points) -> NDArray[np.float32]:
    """[N, K] ||p - c||^2, never negative."""
    norms = np.square(points).sum(axis=1)[:, None] + np.square(centroids).sum(axis=1)[None, :]
    distances: Points = np.maximum(norms - 2 * points @ centroids.T, 0)
    return distances


def bounded_kmeans(
    points: Points, clusters: int, *, lower: int, upper: int, seed: int, iterations: int = 10
) -> Labels:
    """[N] clusters by k-means whose sizes lie in [lower, upper].

    Starts from plain centroids, then alternates means with the cheapest assignment that keeps the
    bounds. Where plain clusters already keep them, they are returned unchanged.
    """
    centroids = kmeans(points, clusters, seed=seed)
    labels = nearest(points, centroids)
    for _ in range(iterations):
        before = labels
        labels = bounded_assignment(squared_distances(points, centroids), lower, upper)
        if np.array_equal(before, labels):
            break
        centroids = means(points, labels, centroids)
    return labels


def means(points: Points, labels: Labels, fallback: Points) -> Points:
    """[K, d] mean of each cluster; the row of `fallback` where a cluster is empty."""
    clusters = len(fallback)
    member = csr_array(
        (np.ones(len(labels), np.float32), (labels, np.arange(len(labels)))),
        shape=(clusters, len(labels)),
    )
    sizes = np.bincount(labels, minlength=clusters)[:, None]
    sums = member @ points
    return np.where(sizes > 0, sums / np.maximum(sizes, 1), fallback).astype(np.float32)


def residual_kmeans(points: Points, clusters: int, levels: int, *, seed: int) -> Points:
    """[M, K, d] codebooks: level i clusters what levels 0..i-1 left over."""
    r, books = points, []
    for level in range(levels):
        book = kmeans(r, clusters, seed=seed + level)
        books.append(book)
        r = r - book[nearest(r, book)]
    return np.stack(books)


def pooled_residual_kmeans(
    points: Points, clusters: int, levels: int, *, seed: int, rounds: int = 3
) -> Points:
    """[1, K, d] one codebook for every level: k-means of the residuals of all levels together.

    The residuals depend on the codebook and the codebook on the residuals, so both are made in
    turn: first the residuals of separate codebooks, then `rounds` times those of the shared one.
    """
    books = residual_kmeans(points, clusters, levels, seed=seed)
    for turn in range(rounds):
        pool = np.concatenate(residuals(points, books, levels))
        books = kmeans(pool, clusters, seed=seed + turn)[None]
    return books


def residuals(points: Points, books: Points, levels: int) -> list[Points]:
    """r_0 .. r_{M-1}, each [N, d]; `books` is [M, K, d], or [1, K, d] where it is shared."""
    r, out = points, []
    for level in range(levels):
        out.append(r)
        book = books[min(level, len(books) - 1)]
        r = r - book[nearest(r, book)]
    return out

"""K-means, its residual form (codebook initialisation), and assignment under size limits.

Axes: N points, d dimensions, K clusters, M levels. numpy in, numpy out. The same seed gives the
same result at any number of threads (see threads.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tokbench.nn.kmeans.lloyd import blocks, lloyd, lloyd_by_products, membership, nearest_in_block
from tokbench.nn.kmeans.plus_plus import seed_rows
from tokbench.nn.kmeans.threads import OrderedMap, threads
from tokbench.nn.transport import bounded_assignment

Points = NDArray[np.float32]
Labels = NDArray[np.int64]

SAMPLE = 256  # points per cluster to iterate on: more move a centroid by less than its own error
SEEDED = 4  # k-means++ looks at every fourth of the sample: Lloyd then moves its seeds on all
REFINEMENTS = 3  # iterations over all points after those on the sample


def kmeans(points: Points, clusters: int, *, seed: int, iterations: int = 25) -> Points:
    """[K, d] centroids by k-means++ and Lloyd, one start.

    Where there are more than 256 K points, the iterations run on a sample of so many, after seeding
    on a quarter of it, and three more iterations on all: the inertia stays within 1 % of
    scikit-learn's on all points.
    With fewer points than clusters, or fewer distinct ones, the spare centroids repeat a point.
    """
    if len(points) <= clusters:
        return np.resize(points, (clusters, points.shape[1])).astype(np.float32)
    rng = np.random.default_rng(seed % 2**64)
    with threads() as over:
        if len(points) <= 2 * points.shape[1]:
            seeds, labels = lloyd_by_products(points, clusters, iterations, rng)
            return means(points, labels, points[seeds])
        size = SAMPLE * clusters
        if len(points) <= size:
            return lloyd(points, spread(points, clusters, rng, over), iterations, over)
        sample = points[np.sort(rng.choice(len(points), size, replace=False))]
        start = lloyd(sample, spread(sample[::SEEDED], clusters, rng, over), iterations, over)
        return lloyd(points, start, REFINEMENTS, over)


def spread(points: Points, clusters: int, rng: np.random.Generator, over: OrderedMap) -> Points:
    """[K, d] points by k-means++."""
    cuts, centred = blocks(len(points)), points - points.mean(axis=0)
    norms = np.square(centred).sum(axis=1)

    def distances(rows: Labels) -> Points:
        def in_block(cut: slice) -> Points:
            found: Points = centred[cut] @ (-2 * centred[rows].T)
            found += norms[cut, None] + norms[rows]
            return np.maximum(found, 0, out=found)

        return np.concatenate(list(over(in_block, cuts)))

    return points[seed_rows(len(points), clusters, distances, rng)]


def nearest(points: Points, centroids: Points) -> Labels:
    """[N] the nearest centroid of each point, in blocks."""
    with threads() as over:
        found = over(lambda block: nearest_in_block(points[block], centroids), blocks(len(points)))
        return np.concatenate([np.zeros(0, np.int64), *found])


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
    sizes = np.bincount(labels, minlength=clusters)
    if lower <= sizes.min() and sizes.max() <= upper:
        return labels
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
    sizes = np.bincount(labels, minlength=clusters)[:, None]
    sums = membership(labels, clusters) @ points
    return np.where(sizes > 0, sums / np.maximum(sizes, 1), fallback).astype(np.float32)


def residual_kmeans(points: Points, clusters: int, levels: int, *, seed: int) -> Points:
    """[M, K, d] codebooks: level i clusters what levels 0..i-1 left over."""
    r = points
    books: list[Points] = []
    for level in range(levels):
        if level:  # one array serves all levels; `points` itself is never written to
            r = peel(r, books[-1], np.empty_like(points) if r is points else r)
        books.append(kmeans(r, clusters, seed=seed + level))
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
        pool = residuals(points, books, levels).reshape(-1, points.shape[1])
        books = kmeans(pool, clusters, seed=seed + turn)[None]
    return books


def residuals(points: Points, books: Points, levels: int) -> Points:
    """[M, N, d] r_0 .. r_{M-1}; `books` is [M, K, d], or [1, K, d] where it is shared."""
    r = np.empty((levels, *points.shape), np.float32)
    r[0] = points
    for level in range(1, levels):
        peel(r[level - 1], books[min(level - 1, len(books) - 1)], r[level])
    return r


def peel(r: Points, book: Points, out: Points) -> Points:
    """Write to `out` [N, d] what the nearest row of `book` leaves of each r, in blocks."""

    def in_block(block: slice) -> None:
        np.subtract(r[block], book[nearest_in_block(r[block], book)], out=out[block])

    with threads() as over:
        list(over(in_block, blocks(len(r))))
    return out

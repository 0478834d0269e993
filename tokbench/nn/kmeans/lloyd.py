"""Lloyd's iteration in two fast forms: over blocks of points, and over their inner products.

Axes: N points, d dimensions, K clusters. Both give the same clusters up to rounding. Neither
depends on the number of threads (see threads.py).
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tokbench.nn.kmeans.plus_plus import plus_plus_rows
from tokbench.nn.kmeans.threads import OrderedMap

Points = NDArray[np.float32]
Labels = NDArray[np.int64]

BLOCK = 2048  # rows: 6 MB at 768 dimensions, so that the second product finds them in the cache
TOLERANCE = 1e-4  # stop when centroids move by less than this share of the variance (scikit-learn)


def blocks(points: int) -> list[slice]:
    """Fixed cuts of N rows."""
    return [slice(start, start + BLOCK) for start in range(0, points, BLOCK)]


def nearest_in_block(points: Points, centroids: Points) -> Labels:
    """[N] the nearest centroid of each point.

    ||p||^2 is the same for all and left out. Centroids enter relative to their mean mu, which
    leaves less to cancel where all points share a large component: for c = mu + c',
    ||p - c||^2 = ||p||^2 - 2 p.mu + ||mu||^2 - 2 p.c' + 2 mu.c' + ||c'||^2.
    """
    centre = centroids.mean(axis=0)
    shifted = centroids - centre
    distances = points @ (-2 * shifted.T)
    distances += np.square(shifted).sum(axis=1) + 2 * shifted @ centre
    labels: Labels = distances.argmin(axis=1)
    return labels


def membership(labels: Labels, clusters: int) -> csr_array:
    """[K, N] with a one where point n is in cluster k: times the points, it sums each cluster."""
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=clusters))
    ones = np.ones(len(labels), np.float32)
    return csr_array((ones, order, np.concatenate([[0], ends])), shape=(clusters, len(labels)))


def lloyd(points: Points, centroids: Points, iterations: int, over: OrderedMap) -> Points:
    """[K, d] centroids after at most so many iterations; an empty cluster keeps its own.

    Sums are made block by block in float32 and added up in float64, in the order of the blocks.
    """
    clusters = len(centroids)
    still = TOLERANCE * float(points[:BLOCK].var(axis=0).mean())

    def sums_of(centroids: Points, block: slice) -> tuple[Labels, NDArray[np.float32]]:
        labels = nearest_in_block(points[block], centroids)
        return np.bincount(labels, minlength=clusters), membership(labels, clusters) @ points[block]

    for _ in range(iterations):
        before, sizes = centroids, np.zeros((clusters, 1))
        sums = np.zeros(centroids.shape)
        for count, total in over(partial(sums_of, before), blocks(len(points))):
            sizes[:, 0] += count
            sums += total
        centroids = np.where(sizes > 0, sums / np.maximum(sizes, 1), before).astype(np.float32)
        if float(np.square(centroids - before).sum()) <= still:
            break
    return centroids


def lloyd_by_products(
    points: Points, clusters: int, iterations: int, rng: np.random.Generator
) -> tuple[Labels, Labels]:
    """k-means of few points in many dimensions: (k-means++ rows [K], labels [N]).

    Needs the points' inner products G [N, N] alone, made once: with c_k the mean of cluster k,
    p.c_k is the mean of G's rows in k, and ||c_k||^2 the mean of p.c_k over the points of k. An
    iteration then costs N^2 additions instead of 4 N K d operations.
    """
    centred = points - points.mean(axis=0)
    products = centred @ centred.T
    norms = products.diagonal().copy()

    def distances(rows: Labels) -> NDArray[np.float32]:
        found: NDArray[np.float32] = norms[:, None] + norms[rows] - 2 * products[:, rows]
        return np.maximum(found, 0)

    seeds = plus_plus_rows(len(points), clusters, distances, rng)
    dots, squares = products[seeds], norms[seeds]  # p.c_k [K, N] and ||c_k||^2 [K]
    labels: Labels = (squares[:, None] - 2 * dots).argmin(axis=0)
    for _ in range(iterations):
        before, sizes = labels, np.bincount(labels, minlength=clusters)
        filled, share = sizes > 0, 1 / np.maximum(sizes, 1).astype(np.float32)
        dots = np.where(
            filled[:, None], (membership(labels, clusters) @ products) * share[:, None], dots
        )
        own = np.bincount(labels, dots[labels, np.arange(len(labels))], minlength=clusters)
        squares = np.where(filled, own.astype(np.float32) * share, squares)
        labels = (squares[:, None] - 2 * dots).argmin(axis=0)
        if np.array_equal(before, labels):
            break
    return seeds, labels

"""Residual k-means: each level clusters what the levels before it left over.

Axes: N points, d dimensions, K clusters, M levels. numpy in, numpy out.
"""

from __future__ import annotations

import numpy as np

from tokbench.nn.kmeans.centroids import Points, kmeans
from tokbench.nn.kmeans.lloyd import blocks, nearest_in_block
from tokbench.nn.kmeans.threads import threads


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

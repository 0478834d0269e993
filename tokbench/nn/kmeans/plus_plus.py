"""k-means++ (Arthur and Vassilvitskii, SODA 2007): centroids to start from, far from each other.

The greedy form that scikit-learn uses too: of a few points drawn in proportion to their squared
distance to the nearest centroid so far, the one that lowers the sum of these distances most.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Distances = Callable[[NDArray[np.int64]], NDArray[np.float32]]


def plus_plus_rows(
    points: int, clusters: int, distances: Distances, rng: np.random.Generator
) -> NDArray[np.int64]:
    """[K] rows of the points to start from.

    `distances(rows)` gives [N, len(rows)], the squared distance of every point to these rows. With
    fewer distinct points than clusters, rows repeat.
    """
    trials = 2 + int(np.log(clusters))
    chosen = [int(rng.integers(points))]
    nearest = distances(np.asarray(chosen))[:, 0]
    for _ in range(1, clusters):
        mass = np.cumsum(nearest, dtype=np.float64)
        drawn = np.searchsorted(mass, rng.uniform(size=trials) * mass[-1])
        candidates = np.minimum(drawn, points - 1)
        left = np.minimum(distances(candidates), nearest[:, None])
        best = int(left.sum(axis=0).argmin())
        chosen.append(int(candidates[best]))
        nearest = left[:, best].copy()
    return np.asarray(chosen)

"""K-means under limits on the size of a cluster.

Axes: N points, K clusters. numpy in, numpy out.
"""

from __future__ import annotations

import numpy as np

from tokbench.nn.kmeans.centroids import Labels, Points, kmeans, means, nearest, squared_distances
from tokbench.nn.transport import bounded_assignment


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

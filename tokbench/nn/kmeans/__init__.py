"""k-means in blocks and threads: plain, bounded, residual."""

from __future__ import annotations

from tokbench.nn.kmeans.bounded import bounded_kmeans
from tokbench.nn.kmeans.centroids import kmeans, means, nearest, squared_distances
from tokbench.nn.kmeans.residual import pooled_residual_kmeans, residual_kmeans, residuals

__all__ = [
    "bounded_kmeans", "kmeans", "means", "nearest", "pooled_residual_kmeans", "residual_kmeans",
    "residuals", "squared_distances",
]  # fmt: skip

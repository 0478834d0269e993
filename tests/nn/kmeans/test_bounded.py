"""Clusters keep the bounds on their size."""

from __future__ import annotations

import numpy as np

from tests.nn.kmeans.test_centroids import blobs, same_partition
from tokbench.nn.kmeans import bounded_kmeans


def test_bounded_clusters_keep_their_bounds_and_change_nothing_where_there_is_room() -> None:
    points, truth = blobs(303, centers=6)
    labels = bounded_kmeans(points, 7, lower=43, upper=44, seed=0)
    assert sorted(np.bincount(labels)) == [43, 43, 43, 43, 43, 44, 44]
    free = bounded_kmeans(points, 6, lower=0, upper=303, seed=0)
    assert same_partition(free, truth)


def test_balanced_clusters_of_planted_equal_blobs_are_the_blobs() -> None:
    points, truth = blobs(300, centers=6)
    assert same_partition(bounded_kmeans(points, 6, lower=50, upper=50, seed=0), truth)

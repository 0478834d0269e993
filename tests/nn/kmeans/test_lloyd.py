"""The two forms of Lloyd's iteration against the textbook's, and against each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tokbench.nn.kmeans import lloyd as forms
from tokbench.nn.kmeans.lloyd import lloyd, lloyd_by_products, nearest_in_block

Points = NDArray[np.float32]


def points(items: int = 300, dim: int = 4) -> Points:
    return np.random.default_rng(0).normal(size=(items, dim)).astype(np.float32)


def textbook(x: Points, centroids: Points, iterations: int) -> NDArray[np.float64]:
    c = centroids.astype(np.float64)
    for _ in range(iterations):
        labels = ((x[:, None] - c[None]) ** 2).sum(axis=2).argmin(axis=1)
        c = np.stack(
            [x[labels == k].mean(axis=0) if (labels == k).any() else c[k] for k in range(len(c))]
        )
    return c


def test_blocks_give_the_textbooks_centroids() -> None:
    x = points()
    found = lloyd(x, x[:7], 6, map)
    np.testing.assert_allclose(found, textbook(x, x[:7], 6), atol=1e-5)
    assert not np.allclose(found, textbook(x, x[:7], 5), atol=1e-5)  # it had not converged


def test_an_empty_cluster_keeps_its_centroid() -> None:
    x = points()
    start = np.concatenate([x[:3], np.full((1, 4), 50, np.float32)])
    np.testing.assert_array_equal(lloyd(x, start, 5, map)[3], start[3])


def test_inner_products_give_the_clusters_of_the_textbook() -> None:
    x = points(60, 80) + np.float32(2)
    seeds, labels = lloyd_by_products(x, 5, 50, np.random.default_rng(1))
    assert len(set(seeds.tolist())) == 5
    c = textbook(x, x[seeds], 50)
    np.testing.assert_array_equal(labels, nearest_in_block(x, c.astype(np.float32)))


def test_block_borders_do_not_show() -> None:
    x = points(2 * forms.BLOCK + 10)
    whole = textbook(x, x[:5], 2)
    np.testing.assert_allclose(lloyd(x, x[:5], 2, map), whole, atol=1e-4)

"""Residual k-means: levels in turn, and one codebook for all of them."""

from __future__ import annotations

import numpy as np

from tests.nn.kmeans.test_centroids import Points, blobs
from tokbench.nn.kmeans import kmeans, nearest, pooled_residual_kmeans, residual_kmeans, residuals


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

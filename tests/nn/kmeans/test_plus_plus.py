"""k-means++: far points are drawn, in proportion to their squared distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tokbench.nn.kmeans.plus_plus import plus_plus_rows

Points = NDArray[np.float32]


def rows(points: Points, clusters: int, seed: int) -> list[int]:
    def distances(chosen: NDArray[np.int64]) -> Points:
        found: Points = ((points[:, None] - points[chosen][None]) ** 2).sum(axis=2)
        return found

    rng = np.random.default_rng(seed)
    return [int(row) for row in plus_plus_rows(len(points), clusters, distances, rng)]


def test_every_far_off_group_gets_a_seed() -> None:
    centres = np.array([[0, 0], [100, 0], [0, 100], [100, 100]], np.float32)
    points = centres.repeat(30, axis=0)
    points += np.random.default_rng(0).normal(size=points.shape).astype(np.float32)
    for seed in range(10):
        assert {row // 30 for row in rows(points, 4, seed)} == {0, 1, 2, 3}


def test_a_chosen_point_is_not_drawn_again_while_others_are_left() -> None:
    points = np.arange(6, dtype=np.float32)[:, None]
    for seed in range(10):
        assert sorted(rows(points, 6, seed)) == list(range(6))


def test_points_all_alike_repeat() -> None:
    assert len(rows(np.ones((4, 2), np.float32), 3, 0)) == 3


def test_the_candidate_that_lowers_the_sum_most_is_taken() -> None:
    """One far point against a far crowd of 50: whichever the four draws name, the crowd wins if it
    is among them, and it nearly always is."""
    points = np.concatenate([np.zeros(200), [1000.0], np.full(50, 200.0)])[:, None]
    second = [rows(points.astype(np.float32), 8, seed)[1] for seed in range(30)]
    first = [rows(points.astype(np.float32), 8, seed)[0] for seed in range(30)]
    from_zero = [s for f, s in zip(first, second, strict=True) if f < 200]
    assert len(from_zero) > 10
    assert sum(s > 200 for s in from_zero) > len(from_zero) * 0.8

"""Assignment under size bounds is exact: against scipy's linear_sum_assignment."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from tokbench.nn.transport import bounded_assignment


def least_cost(cost: NDArray[np.float64], lower: int, upper: int) -> float:
    """The optimum, with each cluster spelled out as `upper` seats of which the first `lower` must
    be taken (the others cost more than anything can save)."""
    clusters = cost.shape[1]
    seats = np.repeat(np.arange(clusters), upper)
    optional = np.tile(np.arange(upper) >= lower, clusters)
    rows, taken = linear_sum_assignment(cost[:, seats] + 1e4 * optional)
    return float(cost[rows, seats[taken]].sum())


@pytest.mark.parametrize(("points", "clusters"), [(50, 5), (203, 8), (64, 64), (30, 20), (7, 1)])
@pytest.mark.parametrize("bounds", ["balanced", "capped", "loose"])
@pytest.mark.parametrize("duplicates", [False, True])
def test_cost_is_the_least_possible(
    points: int, clusters: int, bounds: str, duplicates: bool
) -> None:
    rng = np.random.default_rng(points)
    x = rng.normal(size=(points, 3)) * [4, 1, 1]
    if duplicates:
        x = np.repeat(x, 3, axis=0)[:points]
    cost = ((x[:, None] - rng.normal(size=(clusters, 3))[None]) ** 2).sum(-1)
    average, most = points / clusters, np.bincount(cost.argmin(axis=1)).max()
    lower, upper = {
        "balanced": (int(average), int(np.ceil(average))),
        "capped": (0, max(int(np.ceil(average)), int(0.7 * most))),
        "loose": (max(0, int(average) - 1), int(np.ceil(average)) + 2),
    }[bounds]
    labels = bounded_assignment(cost, lower, upper)
    sizes = np.bincount(labels, minlength=clusters)
    assert sizes.min() >= lower
    assert sizes.max() <= upper
    found = float(cost[np.arange(points), labels].sum())
    assert found == pytest.approx(least_cost(cost, lower, upper), rel=1e-9)


def test_points_that_already_fit_stay_with_their_cheapest_cluster() -> None:
    cost = np.random.default_rng(0).random((40, 4))
    assert np.array_equal(bounded_assignment(cost, 0, 40), cost.argmin(axis=1))


def test_points_all_alike_are_spread_evenly() -> None:
    labels = bounded_assignment(np.ones((21, 4)), 5, 6)
    assert sorted(np.bincount(labels)) == [5, 5, 5, 6]

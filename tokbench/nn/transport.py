"""Cheapest assignment of points to clusters whose sizes are bounded: exact, and fast for few
clusters.

Axes: N points, K clusters.

The problem is a transport problem with K sinks, so its dual has K prices. Prices that nearly
balance the clusters are found by a smoothed ascent; each point then takes the cluster that is
cheapest at these prices, which is optimal for the sizes that come out. What is left over moves
along shortest paths through the K clusters (successive shortest paths), which keeps it optimal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Costs = NDArray[np.float64]
Labels = NDArray[np.int64]


def bounded_assignment(cost: NDArray[Any], lower: int, upper: int) -> Labels:
    """[N] cluster of each point, at the least total cost [N, K] with sizes in [lower, upper].

    Where the cheapest clusters respect the bounds they are returned as they are.
    """
    points, clusters = cost.shape
    assert clusters * lower <= points <= clusters * upper, (points, clusters, lower, upper)
    cost = np.asarray(cost, np.float64)
    labels: Labels = cost.argmin(axis=1).astype(np.int64)
    sizes = np.bincount(labels, minlength=clusters)
    if sizes.min() >= lower and sizes.max() <= upper:
        return labels
    if sizes.max() > 1.5 * upper:
        labels = (cost + prices(cost, lower, upper)).argmin(axis=1).astype(np.int64)
    return repair(cost, labels, lower, upper)


def prices(cost: Costs, lower: int, upper: int, rounds: int = 30) -> Costs:
    """[K] what to add to each cluster's cost so that sizes nearly keep the bounds.

    Sinkhorn's iteration in the log domain with a falling temperature. `repair` needs no more of
    the prices than that they are close.
    """
    clusters = cost.shape[1]
    price = np.zeros(clusters)
    spread = float(cost.std()) or 1.0
    for temperature in spread * np.geomspace(0.5, 0.01, rounds):
        share = (-(cost + price)) / temperature
        mass = np.exp(logsumexp(share - logsumexp(share, axis=1, keepdims=True), axis=0))
        wanted = np.clip(mass, max(lower, 1e-3), upper)
        price += temperature * np.log(np.maximum(mass, 1e-12) / wanted)
    return price


def repair(cost: Costs, labels: Labels, lower: int, upper: int) -> Labels:
    """Move points along shortest paths until every size lies in [lower, upper].

    `labels` must be optimal for its own sizes; then so is every step. First clusters that are too
    large give to any that has room, then those that are too small take from any that can spare,
    and at last points move wherever that is cheaper and the bounds allow it.
    """
    clusters = cost.shape[1]
    labels = labels.copy()
    sizes = np.bincount(labels, minlength=clusters)
    moves = CheapestMoves(cost, labels)
    while sizes.max() > upper:
        moves.shift(sizes, sizes > upper, sizes < upper)
    while sizes.min() < lower:
        moves.shift(sizes, sizes > lower, sizes < lower)
    while moves.shift(sizes, sizes > lower, sizes < upper, only_if_cheaper=True):
        pass
    return labels


class CheapestMoves:
    """For each pair of clusters the point that changes from one to the other most cheaply."""

    def __init__(self, cost: Costs, labels: Labels) -> None:
        self.cost, self.labels = cost, labels
        clusters = cost.shape[1]
        self.price = np.full((clusters, clusters), np.inf)  # [from, to]
        self.point = np.zeros((clusters, clusters), np.int64)
        for cluster in range(clusters):
            self.refresh(cluster)

    def refresh(self, cluster: int) -> None:
        """Recompute the moves out of a cluster."""
        members = np.flatnonzero(self.labels == cluster)
        self.price[cluster] = np.inf
        if len(members):
            extra = self.cost[members] - self.cost[members, cluster][:, None]
            best = extra.argmin(axis=0)
            self.price[cluster] = extra[best, np.arange(extra.shape[1])]
            self.point[cluster] = members[best]

    def shift(
        self,
        sizes: Labels,
        sources: NDArray[np.bool_],
        sinks: NDArray[np.bool_],
        *,
        only_if_cheaper: bool = False,
    ) -> bool:
        """Move one unit from a source to a sink along the cheapest path, in place; True if moved.

        With `only_if_cheaper`, only where the path saves something.
        """
        if not (sources.any() and sinks.any()):
            return False
        distance, before = cheapest_paths(self.price, sources)
        node = int(np.flatnonzero(sinks)[distance[sinks].argmin()])
        if only_if_cheaper and distance[node] >= 0:
            return False
        path = [node]
        while before[node] >= 0:
            node = int(before[node])
            path.append(node)
        hops = [(path[i + 1], path[i]) for i in range(len(path) - 1)]
        moving = [int(self.point[hop]) for hop in hops]
        for point, (_, target) in zip(moving, hops, strict=True):
            self.labels[point] = target
        sizes[path[-1]] -= 1
        sizes[path[0]] += 1
        for cluster in path:
            self.refresh(cluster)
        return True


def cheapest_paths(
    price: Costs, sources: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Bellman-Ford from all sources at once: [K] distance and [K] predecessor (-1 at sources).

    Prices may be negative, cycles never are as long as the assignment is optimal; improvements
    below rounding error are ignored, so that rounding cannot make a cycle look profitable.
    """
    distance = np.where(sources, 0.0, np.inf)
    before = np.full(len(distance), -1)
    slack = 1e-12 * float(np.abs(price[np.isfinite(price)]).max(initial=1.0))
    for _ in range(len(distance)):
        through = distance[:, None] + price
        best = through.argmin(axis=0)
        shorter = through[best, np.arange(len(best))] < distance - slack
        if not shorter.any():
            break
        distance = np.where(shorter, through[best, np.arange(len(best))], distance)
        before = np.where(shorter, best, before)
    return distance, before

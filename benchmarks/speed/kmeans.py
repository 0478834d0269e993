"""Residual and hierarchical k-means against scikit-learn and faiss, time and inertia together.

Residual: three codebooks of 64, each of what those before it left. Hierarchical: two splits among
64 children (the third level of hierarchical-kmeans counts the items of a leaf). One start, 25
iterations for the peers. The goals are for equal inertia: there ours runs the least number of
iterations that comes within 1 % of the peer's, and a second row has the 25 that tokenizers use.
The note has the inertia over the peer's (below 1: ours is better).
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from benchmarks.speed.catalogue.embeddings import Floats, table
from benchmarks.speed.harness import Row, compare, interleaved
from tokbench.nn.kmeans import kmeans, nearest
from tokbench.nn.kmeans.residual import peel
from tokbench.nn.kmeans.threads import threads

Labels = NDArray[np.int64]
Clustering = Callable[[Floats, int], tuple[Floats, Labels]]  # points, K -> [K, d], [N]

CLUSTERS, LEVELS, ITERATIONS = 64, 3, 25
GOALS = {"scikit-learn": (2.5, 6.0), "faiss": (0.95, 1.2)}


def measure(quick: bool) -> list[Row]:
    """A row for each form and peer at equal inertia, and one with our own number of iterations."""
    x = np.ascontiguousarray(table(6000)[:, :64]) if quick else table()
    rows = []
    for name, cluster in peers().items():
        rounds = 1 if quick else 2 if name == "scikit-learn" else 5
        for form in FORMS:
            theirs = partial(form.theirs, x, cluster)
            target = form.inertia(x, theirs())
            enough = fewest(form, x, target)
            for iterations in sorted({enough, ITERATIONS}):
                ours = partial(form.ours, x, iterations)
                row = compare(
                    f"{form.name} k-means, {len(x)} x {x.shape[1]}, K {CLUSTERS}, {LEVELS} levels, "
                    f"{iterations} iterations",
                    f"{name} {version('faiss-cpu' if name == 'faiss' else name)}",
                    interleaved(ours, theirs, rounds=rounds),
                    amount=1.0,
                    unit="runs/s",
                    note=f"inertia {form.inertia(x, ours()) / target:.3f} of theirs",
                )
                goals = GOALS[name] if iterations == enough else (None, None)
                rows.append(replace(row, floor=goals[0], aim=goals[1]))
    return rows


def fewest(form: Form, x: Floats, target: float) -> int:
    """Our least number of iterations whose inertia is the target's within 1 %, or all."""
    tries = (1, 2, 3, 6, 12)
    return next((n for n in tries if form.inertia(x, form.ours(x, n)) <= 1.01 * target), ITERATIONS)


def peers() -> dict[str, Clustering]:
    """The peers that are installed."""
    found: dict[str, Clustering] = {"scikit-learn": by_scikit_learn}
    try:
        import faiss  # noqa: F401
    except ImportError:
        print("kmeans: faiss is not installed (pip install -e '.[speed]')", file=sys.stderr)
        return found
    return {**found, "faiss": by_faiss}


def by_scikit_learn(points: Floats, clusters: int) -> tuple[Floats, Labels]:
    """k-means++ and Lloyd with all threads."""
    model = KMeans(clusters, n_init=1, max_iter=ITERATIONS, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = model.fit_predict(points)
    return model.cluster_centers_, labels.astype(np.int64)


def by_faiss(points: Floats, clusters: int) -> tuple[Floats, Labels]:
    """faiss.Kmeans with its defaults: random start, at most 256 points per cluster."""
    import faiss

    model = faiss.Kmeans(
        points.shape[1], clusters, niter=ITERATIONS, seed=1, min_points_per_centroid=1
    )
    model.train(points)
    return np.asarray(model.centroids), model.index.search(points, 1)[1][:, 0]


def our_residual(x: Floats, iterations: int) -> Floats:
    """[N, d] what three levels leave."""
    r = x
    for level in range(LEVELS):
        book = kmeans(r, CLUSTERS, seed=level, iterations=iterations)
        r = peel(r, book, np.empty_like(x) if r is x else r)
    return r


def residual(x: Floats, cluster: Clustering) -> Floats:
    """The same by a peer."""
    r = x
    for _ in range(LEVELS):
        centroids, labels = cluster(r, CLUSTERS)
        r = r - centroids[labels]
    return r


def our_tree(x: Floats, iterations: int) -> Labels:
    """[N] the leaf of each item, nodes side by side as in hierarchical-kmeans."""

    def split(points: Floats) -> Labels:
        clusters = min(CLUSTERS, len(points))
        return nearest(points, kmeans(points, clusters, seed=0, iterations=iterations))

    first = split(x)
    nodes = [np.flatnonzero(first == node) for node in range(CLUSTERS)]
    nodes = sorted((rows for rows in nodes if len(rows)), key=len, reverse=True)
    leaves = np.zeros(len(x), np.int64)
    with threads() as over:
        for node, (rows, found) in enumerate(
            zip(nodes, over(lambda rows: split(x[rows]), nodes), strict=True)
        ):
            leaves[rows] = node * CLUSTERS + found
    return leaves


def tree(x: Floats, cluster: Clustering) -> Labels:
    """The same by a peer: one call for every node."""
    _, first = cluster(x, CLUSTERS)
    leaves = np.zeros(len(x), np.int64)
    for node in range(CLUSTERS):
        rows = np.flatnonzero(first == node)
        if len(rows):
            _, second = cluster(x[rows], min(CLUSTERS, len(rows)))
            leaves[rows] = node * CLUSTERS + second
    return leaves


def residual_inertia(x: Floats, left: Floats) -> float:
    """Sum of squares of what is left."""
    return float(np.square(left).sum(dtype=np.float64))


def leaf_inertia(x: Floats, leaves: Labels) -> float:
    """Sum of squared distances to the means of the leaves."""
    _, leaf, sizes = np.unique(leaves, return_inverse=True, return_counts=True)
    member = csr_array((np.ones(len(x), np.float32), (leaf, np.arange(len(x)))))
    return float(np.square(x - (member @ x / sizes[:, None])[leaf]).sum(dtype=np.float64))


@dataclass(frozen=True)
class Form:
    """One use of k-means: ours, a peer's, and how good a result is."""

    name: str
    ours: Callable[[Floats, int], Any]
    theirs: Callable[[Floats, Clustering], Any]
    inertia: Callable[[Floats, Any], float]


FORMS = (
    Form("residual", our_residual, residual, residual_inertia),
    Form("hierarchical", our_tree, tree, leaf_inertia),
)

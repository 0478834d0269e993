"""Residual and hierarchical k-means against scikit-learn and faiss, time and inertia together.

Residual: three codebooks of 64, each of what those before it left. Hierarchical: two splits among
64 children, and the items of a leaf counted. 25 iterations everywhere, one start. A ratio of speed
means nothing without that of the inertia, which stands in the note (below 1: ours is better).
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from benchmarks.speed.catalogue.embeddings import ITEMS, Floats, table
from benchmarks.speed.harness import Row, compare, interleaved
from tokbench.api import Runtime
from tokbench.nn.kmeans import nearest, residual_kmeans
from tokbench.tokenizers.hierarchical_kmeans import HierarchicalKMeans
from tokbench.types import Catalog

Labels = NDArray[np.int64]
Clustering = Callable[[Floats, int], tuple[Floats, Labels]]  # points, K -> [K, d], [N]

CLUSTERS, LEVELS, ITERATIONS = 64, 3, 25
GOALS = {"scikit-learn": (2.5, 6.0), "faiss": (0.95, 1.2)}


def measure(quick: bool) -> list[Row]:
    """A row for each form and peer."""
    x = table(4000 if quick else ITEMS)
    rows = []
    for name, cluster in peers().items():
        rounds = 1 if quick else 2 if name == "scikit-learn" else 5
        peer = f"{name} {version('faiss-cpu' if name == 'faiss' else name)}"
        floor, aim = GOALS[name]
        for form, ours, theirs, inertia in (
            ("residual", our_residual, residual, residual_inertia),
            ("hierarchical", our_tree, tree, leaf_inertia),
        ):
            found: dict[str, object] = {}
            pairs = interleaved(
                lambda ours=ours, found=found: found.update(ours=ours(x)),  # type: ignore[misc]
                lambda theirs=theirs, found=found, cluster=cluster: found.update(  # type: ignore[misc]
                    theirs=theirs(x, cluster)
                ),
                rounds=rounds,
            )
            quality = inertia(x, found["ours"]) / inertia(x, found["theirs"])  # type: ignore[arg-type]
            rows.append(
                compare(
                    f"{form} k-means, {len(x)} x {x.shape[1]}, K {CLUSTERS}, {LEVELS} levels",
                    peer,
                    pairs,
                    amount=1.0,
                    unit="runs/s",
                    floor=floor,
                    aim=aim,
                    note=f"inertia {quality:.3f} of theirs",
                )
            )
    return rows


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
    return model.centroids, model.index.search(points, 1)[1][:, 0]


def our_residual(x: Floats) -> Floats:
    """[N, d] what three levels leave."""
    books, r = residual_kmeans(x, CLUSTERS, LEVELS, seed=0), x
    for book in books:
        r = r - book[nearest(r, book)]
    return r


def residual(x: Floats, cluster: Clustering) -> Floats:
    """The same by a peer."""
    r = x
    for _ in range(LEVELS):
        centroids, labels = cluster(r, CLUSTERS)
        r = r - centroids[labels]
    return r


def our_tree(x: Floats) -> Labels:
    """[N] the leaf of each item, by the tokenizer itself."""
    names = tuple(str(n) for n in range(len(x)))
    tokenizer = HierarchicalKMeans.of(levels=LEVELS, codebook_size=CLUSTERS)
    codes = tokenizer.tokenize(Catalog(names, names, x), seed=0, runtime=Runtime()).codes
    return codes[:, 0].astype(np.int64) * CLUSTERS + codes[:, 1]


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

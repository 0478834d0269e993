"""Where decoding fails: how far the beams follow the target, and what the beam's width costs.

Axes: Q queries, S sampled queries, B beams, G distinct tuples, M levels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tokbench.scoring.metrics import ndcg, recall
from tokbench.scoring.placement import name_groups, place
from tokbench.types import Beams, Ints, SemanticIds

SAMPLE = 200  # queries scored exhaustively
FEWEST = 50  # fewer say nothing: the comparison is left out
TUPLES = 500_000  # query times tuple: what an exhaustive search may cost
CUTOFFS = (10, 40)
Values = NDArray[np.float64]


def shared_prefix(beams: Beams, ids: SemanticIds, targets: ArrayLike) -> Ints:
    """The longest prefix of the target's tuple that any beam shares, in levels 0..M, [Q].

    M is a hit. A query with L < M went wrong at level L + 1: all final beams left the target's
    path by then.
    """
    wanted = ids.codes[np.asarray(targets, dtype=np.int64)]
    agree = np.ones(beams.codes.shape[:2], dtype=bool)
    longest = np.zeros(len(beams), np.int64)
    for level in range(ids.levels):
        agree &= beams.codes[:, :, level] == wanted[:, level, None]
        longest += agree.any(axis=1)
    return longest


def survival(longest: Ints, levels: int) -> dict[str, Values]:
    """Per level l, 1 for queries of which some final beam shares the target's first l codes."""
    return {
        f"decoding/survival/level{level}": (longest >= level).astype(np.float64)
        for level in range(1, levels + 1)
    }


def sample(queries: int, tuples: int) -> Ints:
    """Queries to score exhaustively, drawn with a fixed seed; none where that costs too much."""
    size = min(SAMPLE, queries, TUPLES // max(tuples, 1))
    if size < min(FEWEST, queries):
        return np.zeros(0, np.int64)
    return np.sort(np.random.default_rng(0).choice(queries, size, replace=False))


def against_exhaustive(
    beams: Beams, exact: Beams, ids: SemanticIds, targets: ArrayLike
) -> dict[str, Values]:
    """What the beam finds of the true ranking, [S] each; `exact` ranks all tuples.

    `decoding/found@k`: share of the k best tuples that are among the beam's first k;
    `decoding/beam/recall@10` and `decoding/exhaustive/recall@10` (and NDCG): the same queries by
    either search.
    """
    _, found = name_groups(ids, beams.codes)
    _, best = name_groups(ids, exact.codes)
    figures: dict[str, Values] = {}
    for k in CUTOFFS:
        k_ = min(k, best.shape[1])
        if found.shape[1] >= k_:
            hits = (best[:, :k_, None] == found[:, None, :k_]).any(axis=2)
            figures[f"decoding/found@{k}"] = hits.mean(axis=1)
    for name, searched in (("beam", beams), ("exhaustive", exact)):
        placement = place(searched, ids, targets)
        figures[f"decoding/{name}/recall@10"] = recall(placement, 10)
        figures[f"decoding/{name}/ndcg@10"] = ndcg(placement, 10)
    return figures


def valid_mass(exact: Beams) -> Values:
    """The probability of all existing tuples together, [S]; scores are log-probabilities of every
    one. What is missing to 1 went to tuples that no item has: with Z this mass, renormalising to
    existing tuples would save -log2 Z bits an item."""
    mass: Values = np.exp(exact.scores.astype(np.float64)).sum(axis=1)
    return np.minimum(mass, 1.0)

"""How codes are used: duplicates expected at random, entropy, Gini, and statistics of prefixes.

Axes: N items, M levels, K codes of a level, G distinct tuples. All are functions of the codes, and
none changes when the codes of a level are renamed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tokbench.types import Ints, SemanticIds


def usage(ids: SemanticIds) -> dict[str, float]:
    """Every figure of this file, by name."""
    figures = random_reference(len(ids), ids.level_sizes)
    for level, size in enumerate(ids.level_sizes, 1):
        counts = np.bincount(ids.codes[:, level - 1], minlength=size)
        nats = entropy(counts)
        figures[f"use/level{level}"] = float((counts > 0).mean())
        figures[f"entropy/level{level}"] = _share_of_most(nats, size)
        figures[f"perplexity/level{level}"] = math.exp(nats)
        figures[f"gini/level{level}"] = gini(counts)
    _, _, sizes = ids.groups()
    figures["gini/tuples"] = gini(sizes)
    return figures | prefix_statistics(ids)


def random_reference(items: int, level_sizes: Sequence[int]) -> dict[str, float]:
    """What N tuples drawn uniformly and independently from the T = prod(K) show on average.

    A tuple stays empty with probability (1 - 1/T)^N, so T (1 - (1 - 1/T)^N) are distinct
    (the occupancy problem; Feller 1968, vol. 1, ch. II.5), and an item shares its tuple with
    probability 1 - (1 - 1/T)^(N - 1). Random codes are a line to compare with, not a bound:
    codes that follow meaning collide more.
    """
    total = math.prod(level_sizes)
    if total == 1:
        return {
            "random/duplicate_rate": 1 - 1 / items,
            "random/items_in_collision": float(items > 1),
        }
    empty = math.log1p(-1 / total)  # of one tuple after one draw
    distinct = -total * math.expm1(items * empty)
    return {
        "random/duplicate_rate": 1 - distinct / items,
        "random/items_in_collision": -math.expm1((items - 1) * empty),
    }


def entropy(counts: Ints) -> float:
    """Shannon entropy of the distribution that `counts` make, in nats."""
    shares = counts[counts > 0] / counts.sum()
    return max(-float((shares * np.log(shares)).sum()), 0.0)  # never -0.0


def gini(counts: Ints) -> float:
    """Gini coefficient: 0 where all counts are equal, (n - 1) / n where one has everything.

    G = (n + 1) / n - 2 sum_i (n + 1 - i) c_(i) / (n sum c), c_(1) <= ... <= c_(n), as FORGE
    (arXiv 2509.20904) computes it over the occupied tuples; over a level all K codes count, used
    or not.
    """
    n = len(counts)
    weights = np.arange(n, 0, -1)  # n + 1 - i
    value = (n + 1) / n - 2 * float(weights @ np.sort(counts)) / (n * float(counts.sum()))
    return max(value, 0.0)


def prefix_statistics(ids: SemanticIds) -> dict[str, float]:
    """Distinct prefixes and branching per depth, and H(c_l | c_1..c_l-1) / ln K per level.

    Branching is the mean number of different continuations of a prefix. A middle level whose
    prefixes are few is the "hourglass" of arXiv 2407.21488. With few items per prefix the
    conditional entropy is small whatever the tokenizer does: compare at equal N and K only.
    """
    figures: dict[str, float] = {}
    before, nats_before = 1, 0.0
    for depth, members in enumerate(prefix_members(ids), 1):
        counts = np.bincount(members)
        nats = entropy(counts)
        figures[f"prefixes/depth{depth}"] = float(len(counts))
        figures[f"branching/depth{depth}"] = len(counts) / before
        figures[f"conditional_entropy/level{depth}"] = _share_of_most(
            max(nats - nats_before, 0.0), ids.level_sizes[depth - 1]
        )
        before, nats_before = len(counts), nats
    return figures


def prefix_members(ids: SemanticIds) -> list[Ints]:
    """Per depth 1..M, the number of each item's prefix, [N]: equal for items that share it."""
    members, found = np.zeros(len(ids), np.int64), []
    for level, size in enumerate(ids.level_sizes):
        key = members * size + ids.codes[:, level]
        members = np.unique(key, return_inverse=True)[1].reshape(-1).astype(np.int64)
        found.append(members)
    return found


def _share_of_most(nats: float, size: int) -> float:
    """An entropy as a share of the most that `size` codes allow."""
    return nats / math.log(size) if size > 1 else 0.0

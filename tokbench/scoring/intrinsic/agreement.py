"""Do codes agree with what people know and do? Categories within prefixes, codes of neighbours in
training sequences. Each with the value that chance alone would give.

Axes: N items, P pairs of items, M levels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tokbench.scoring.intrinsic.usage import prefix_members
from tokbench.types import Ints, SemanticIds, Sequences

SHUFFLES = 10


def category_purity(ids: SemanticIds, categories: Sequence[str]) -> dict[str, float]:
    """`purity/depthD`: share of items in the commonest category of their prefix of D codes.

    The purity of Manning, Raghavan & Schuetze 2008, ch. 16.3, over the items with a category.
    Smaller groups are purer by themselves (items with a prefix of their own are always pure), so
    `purity/depthD/shuffled` is the mean after SHUFFLES permutations of the categories. Empty
    without categories.
    """
    known = np.array([category != "" for category in categories], dtype=bool)
    if not known.any():
        return {}
    labels = np.unique(np.array(categories)[known], return_inverse=True)[1].reshape(-1)
    rng = np.random.default_rng(0)
    shuffled = [rng.permutation(labels) for _ in range(SHUFFLES)]
    figures = {}
    for depth, members in enumerate(prefix_members(ids), 1):
        here = members[known]
        figures[f"purity/depth{depth}"] = purity(here, labels)
        chance = np.mean([purity(here, other) for other in shuffled])
        figures[f"purity/depth{depth}/shuffled"] = float(chance)
    return figures


def purity(groups: Ints, labels: Ints) -> float:
    """Share of elements that carry the commonest label of their group."""
    base = int(labels.max()) + 1
    cells, counts = np.unique(groups * base + labels, return_counts=True)
    starts = np.flatnonzero(np.diff(cells // base, prepend=-1))
    return float(np.maximum.reduceat(counts, starts).sum() / len(labels))


def adjacent_agreement(ids: SemanticIds, train: Sequences) -> dict[str, float]:
    """Codes that two different items share when one follows the other in a training sequence.

    `adjacent/shared_prefix`: mean length of the shared prefix, in levels; `adjacent/equal_levels`:
    mean share of levels with equal codes (1 - Hamming distance / M). `.../shuffled`: the same for
    pairs whose second items were exchanged at random, in expectation, so that what is popular
    stays popular. The mapping-first probe of SIDInspector (arXiv 2606.10375). Empty where no two
    different items are adjacent.
    """
    first, second = adjacent_pairs(train)
    if not len(first):
        return {}
    members = prefix_members(ids)
    columns = [ids.codes[:, level].astype(np.int64) for level in range(ids.levels)]
    figures: dict[str, float] = {}
    for name, labels, scale in (
        ("shared_prefix", members, 1),
        ("equal_levels", columns, ids.levels),
    ):
        found = [float((label[first] == label[second]).mean()) for label in labels]
        chance = [_chance_of_equal(label, first, second) for label in labels]
        figures[f"adjacent/{name}"] = sum(found) / scale
        figures[f"adjacent/{name}/shuffled"] = sum(chance) / scale
    return figures


def adjacent_pairs(train: Sequences) -> tuple[Ints, Ints]:
    """(item, next item) within a row, pairs of an item with itself left out."""
    row = np.repeat(np.arange(len(train)), train.lengths)
    kept = (row[1:] == row[:-1]) & (train.items[1:] != train.items[:-1])
    return train.items[:-1][kept], train.items[1:][kept]


def _chance_of_equal(label: Ints, first: Ints, second: Ints) -> float:
    """P(label[i] = label[j] | i != j) for i drawn from `first` and j, independently, from
    `second`: what a random exchange of partners gives on average."""
    same_label = _collision(label[first], label[second])
    same_item = _collision(first, second)
    return (same_label - same_item) / (1 - same_item) if same_item < 1 else 0.0


def _collision(a: Ints, b: Ints) -> float:
    """P(x = y) for x drawn from `a` and y from `b`."""
    size = int(max(a.max(), b.max())) + 1
    return float(
        np.bincount(a, minlength=size) @ (np.bincount(b, minlength=size) / len(b)) / len(a)
    )

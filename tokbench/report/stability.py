"""How much of a tokenizer's codes is the seed's? Code tables of two seeds against each other.

Axes: N items, M levels, K codes of a level.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from tokbench.schema.record import Record
from tokbench.scoring.intrinsic.usage import prefix_members
from tokbench.types import Codes, SemanticIds

MOST_CODES = 2048  # of a level; matching takes time and memory that grow faster than K^2


def stability(records: Sequence[Record]) -> dict[str, float]:
    """Means over all pairs of tokenizer seeds; {} with fewer than two, or without raw codes.

    `stability/levelL`: share of items that keep their code at a level once the names of the codes
    are matched (`matched`); `.../shuffled`: the same for items in random order, which is what the
    matching alone achieves; `stability/depthD`: adjusted Rand index (Hubert & Arabie 1985) of the
    items grouped by prefixes of D codes: 1 the same groups, 0 chance.
    """
    tables: dict[int, SemanticIds] = {}
    for record in records:
        raw = record.outcome.read_raw_ids() if record.outcome else None
        if raw is not None:
            tables.setdefault(record.spec.tokenizer_seed, raw)
    pairs = list(itertools.combinations(tables.values(), 2))
    if not pairs or len({ids.level_sizes for ids in tables.values()}) > 1:
        return {}
    each = [agreement(a, b) for a, b in pairs]
    return {name: float(np.mean([one[name] for one in each])) for name in each[0]}


def agreement(a: SemanticIds, b: SemanticIds) -> dict[str, float]:
    """The figures of `stability` for one pair of code tables of the same items."""
    from sklearn.metrics import adjusted_rand_score

    shuffled = np.random.default_rng(0).permutation(len(a))
    figures = {}
    for level, size in enumerate(a.level_sizes):
        if size > MOST_CODES:
            continue
        ours, theirs = a.codes[:, level], b.codes[:, level]
        figures[f"stability/level{level + 1}"] = matched(ours, theirs, size)
        figures[f"stability/level{level + 1}/shuffled"] = matched(ours, theirs[shuffled], size)
    groups = zip(prefix_members(a), prefix_members(b), strict=True)
    for depth, pair in enumerate(groups, 1):
        figures[f"stability/depth{depth}"] = float(adjusted_rand_score(*pair))
    return figures


def matched(ours: Codes, theirs: Codes, size: int) -> float:
    """Share of items with equal codes under the best renaming of `theirs` (an assignment problem;
    Kuhn 1955)."""
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array

    ones = np.ones(len(ours))
    together = coo_array((ones, (ours, theirs)), shape=(size, size)).toarray()
    row, column = linear_sum_assignment(together, maximize=True)
    return float(together[row, column].sum() / len(ours))

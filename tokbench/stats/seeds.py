"""How much a figure varies with the tokenizer's seed, and how much with the generator's.

T tokenizer seeds crossed with G generator seeds are a two-way layout with one run per cell:
value = mean + tokenizer + generator + rest. The variance components are those of the analysis of
variance (Searle, Casella and McCulloch 1992, ch. 4); one that comes out negative is printed as 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def sd_by_axis(pairs: Sequence[tuple[int, int]], values: ArrayLike) -> dict[str, float]:
    """Standard deviations by axis of one value per run of (tokenizer seed, generator seed); empty
    where runs do not separate them.

    Crossed seeds give `tokenizer`, `generator` and `rest` (their interaction); seeds that move
    along one axis give that one; a run that shares neither seed with another tells nothing of
    either and is left out (0-0 and 1-1 alone, or 2-2 beside 0 and 1 crossed).
    """
    tokenizers, generators = (Counter(axis) for axis in zip(*pairs, strict=True))
    found = {
        (t, g): value
        for (t, g), value in zip(pairs, np.asarray(values), strict=True)
        if tokenizers[t] > 1 or generators[g] > 1
    }
    rows, columns = sorted({t for t, _ in found}), sorted({g for _, g in found})
    if not found or len(set(pairs)) != len(pairs) or len(found) != len(rows) * len(columns):
        return {}
    table = np.array([[found[t, g] for g in columns] for t in rows])
    if len(columns) == 1:
        return {"tokenizer": float(table.std(ddof=1))}
    if len(rows) == 1:
        return {"generator": float(table.std(ddof=1))}
    t, g = table.shape
    by_row, by_column = table.mean(axis=1), table.mean(axis=0)
    rest = table - by_row[:, None] - by_column[None, :] + table.mean()
    noise = float((rest**2).sum() / ((t - 1) * (g - 1)))
    return {
        "tokenizer": _root(by_row.var(ddof=1) - noise / g),
        "generator": _root(by_column.var(ddof=1) - noise / t),
        "rest": _root(noise),
    }


def _root(variance: float) -> float:
    return float(np.sqrt(max(variance, 0.0)))

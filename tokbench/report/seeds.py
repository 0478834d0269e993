"""How much a figure varies with the tokenizer's seed, and how much with the generator's.

T tokenizer seeds crossed with G generator seeds are a two-way layout with one run per cell:
value = mean + tokenizer + generator + rest. The variance components are those of the analysis of
variance (Searle, Casella and McCulloch 1992, ch. 4); one that comes out negative is printed as 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tokbench.spec import RunSpec


def sd_by_axis(specs: Sequence[RunSpec], values: ArrayLike) -> dict[str, float]:
    """Standard deviations by axis of one value per run; empty where runs do not separate them.

    Crossed seeds give `tokenizer`, `generator` and `rest` (their interaction); seeds that move
    along one axis give that one; seeds that move together (0-0, 1-1) tell nothing of either.
    """
    pairs = [(spec.tokenizer_seed, spec.generator_seed) for spec in specs]
    rows, columns = (sorted(set(axis)) for axis in zip(*pairs, strict=True))
    if len(pairs) < 2 or len(set(pairs)) != len(pairs) or len(pairs) != len(rows) * len(columns):
        return {}
    table = np.empty((len(rows), len(columns)))
    for (tokenizer, generator), value in zip(pairs, np.asarray(values), strict=True):
        table[rows.index(tokenizer), columns.index(generator)] = value
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

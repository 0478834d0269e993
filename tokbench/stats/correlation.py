"""Does a measure go with Recall from row to row, more than chance would make it?

Axes: F measures, R rows (methods), P permutations.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

PERMUTATIONS = 9999  # where there are more than that; else all of them
LEVEL = 0.05
FEWEST = 5  # rows: of the 4! orders of four even the best two are 1 in 12


@dataclass(frozen=True)
class Correlation:
    """One measure against Recall over R rows."""

    spearman: float
    kendall: float  # tau-b
    p: float  # two-sided permutation test of Spearman's rho
    corrected: float  # the same, corrected for all measures looked at (max-T)


@dataclass(frozen=True)
class Correlations:
    """All measures of a board: `chance` is what 95 % of the permutations leave the largest of
    them below (Spearman, absolute)."""

    rows: int
    found: dict[str, Correlation]
    chance: float

    def __str__(self) -> str:
        """The verdict in words."""
        if self.rows < FEWEST or not self.found:
            return (
                f"Cannot tell whether any measure predicts Recall@10: that takes {FEWEST} rows or "
                f"more, and there {'is' if self.rows == 1 else 'are'} {self.rows}."
            )
        sure = [name for name, one in self.found.items() if one.corrected < LEVEL]
        best = max(self.found, key=lambda name: abs(self.found[name].spearman))
        limit = (
            f"Over {self.rows} rows and {len(self.found)} measures, chance alone gives a largest "
            f"|Spearman| below {self.chance:.2f} in 95 % of the orders"
        )
        strongest = f"{best} has {self.found[best].spearman:+.2f}"
        if not sure:
            return (
                f"Cannot tell whether any measure predicts Recall@10. {limit}; the strongest, "
                f"{strongest} (corrected p = {self.found[best].corrected:.3f})."
            )
        named = ", ".join(f"{name} ({self.found[name].spearman:+.2f})" for name in sure)
        return f"{named} go with Recall@10 beyond chance. {limit}. Other data may say otherwise."


def correlations(measures: Mapping[str, Sequence[float]], recall: Sequence[float]) -> Correlations:
    """Rank correlations of each measure [R] with `recall` [R]; measures that do not vary are left
    out. A permutation exchanges the Recall of rows, for all measures at once, so that the largest
    |rho| of a permutation is what looking at so many measures gives by chance (Westfall and Young
    1993, ch. 2)."""
    from scipy.stats import kendalltau, rankdata

    names = [name for name, values in measures.items() if np.ptp(values) > 1e-12]
    rows = len(recall)
    if rows < 3 or not names or np.ptp(recall) == 0:
        return Correlations(rows, {}, 1.0)
    ranks = standardized(np.stack([rankdata(measures[name]) for name in names]))  # [F, R]
    target = standardized(np.asarray(rankdata(recall))[None])[0]
    rho = ranks @ target
    drawn = np.abs(ranks @ target[orders(rows)].T)  # [F, P]
    largest = drawn.max(axis=0)
    room = 1e-9
    found = {
        name: Correlation(
            spearman=float(rho[n]),
            kendall=float(kendalltau(measures[name], recall).statistic),
            p=float((drawn[n] >= abs(rho[n]) - room).mean()),
            corrected=float((largest >= abs(rho[n]) - room).mean()),
        )
        for n, name in enumerate(names)
    }
    return Correlations(rows, found, float(np.quantile(largest, 1 - LEVEL)))


def orders(rows: int) -> NDArray[np.int64]:
    """Permutations of `rows` rows, [P, R]: all, or PERMUTATIONS drawn ones after the given one."""
    if math.factorial(rows) <= PERMUTATIONS:
        return np.array(list(itertools.permutations(range(rows))))
    rng = np.random.default_rng(0)
    drawn = rng.permuted(np.tile(np.arange(rows), (PERMUTATIONS, 1)), axis=1)
    return np.concatenate([np.arange(rows)[None], drawn])


def standardized(ranks: Values) -> Values:
    """Rows centred and at length 1, so that their products are correlations."""
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    unit: Values = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return unit

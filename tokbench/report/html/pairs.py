"""Every row of a board against every other one, user by user: difference, interval and p."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokbench.intervals import bootstrap_means
from tokbench.report.board import FIGURES, HEADLINE, finished, user_mean
from tokbench.report.groups import LEVEL
from tokbench.report.html.boards import BoardView
from tokbench.report.paired import ROUNDING, all_pairs, holm
from tokbench.report.training import Values


@dataclass(frozen=True)
class Pair:
    """The row of the line against the row of the column, in Recall@10."""

    difference: float
    low: float
    high: float
    p: float  # Holm-adjusted over all pairs of the board, as the rank groups are

    @property
    def verdict(self) -> str:
        """`better`, `worse`, or `same` where the two cannot be told apart."""
        if self.p >= LEVEL:
            return "same"
        return "better" if self.difference > 0 else "worse"


def pairs(view: BoardView) -> list[list[Pair | None]]:
    """[R, R], None on the diagonal; empty where the rows did not test the same users."""
    if len({row.users for row in view.board.rows}) != 1 or len(view.board.rows) < 2:
        return []
    outcomes = _outcomes(view)
    rows = len(outcomes)
    means = bootstrap_means(outcomes.T)  # [resamples, R], one draw of users for all rows
    upper = np.triu_indices(rows, 1)
    adjusted = np.ones((rows, rows))
    adjusted[upper] = holm(all_pairs(outcomes)[upper])
    adjusted = np.minimum(adjusted, adjusted.T)
    table: list[list[Pair | None]] = [[None] * rows for _ in range(rows)]
    for i, j in zip(*upper, strict=True):
        low, high = np.percentile(means[:, i] - means[:, j], [2.5, 97.5])
        mean = outcomes[i].mean() - outcomes[j].mean()
        mean, low, high = (0.0 if abs(value) < ROUNDING else float(value) for value in
                           (mean, low, high))  # fmt: skip
        p = float(adjusted[i, j])
        table[i][j] = Pair(mean, low, high, p)
        table[j][i] = Pair(0.0 - mean, 0.0 - high, 0.0 - low, p)
    return table


def _outcomes(view: BoardView) -> Values:
    """Recall@10 of each user under each row, [R, Q], seeds averaged."""
    done = finished(view.table)
    column = FIGURES.index(HEADLINE)
    found: Values = np.stack([user_mean(done[row.method])[:, column] for row in view.board.rows])
    return found

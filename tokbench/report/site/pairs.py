"""Every row of a board against every other one on the same users: difference, interval and p."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokbench.report.board import FIGURES, HEADLINE, finished, training_of, user_mean
from tokbench.report.compare import specs_of
from tokbench.report.site.boards import BoardView
from tokbench.stats.bootstrap import bootstrap_means
from tokbench.stats.groups import LEVEL
from tokbench.stats.paired import ROUNDING, all_pairs, holm


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
    done = finished(view.table)
    training = training_of(done)
    column = FIGURES.index(HEADLINE)
    methods = [row.method for row in view.board.rows]
    outcomes = np.stack([user_mean(done[method])[:, column] for method in methods])  # [R, Q]
    added = np.zeros(len(methods))  # variance that training adds to each row's mean
    if training.df:
        added = np.array([training.of_mean(specs_of(done[method]))[column] for method in methods])
    means = bootstrap_means(outcomes.T)  # [resamples, R], one draw of users for all rows
    upper = np.triu_indices(len(methods), 1)
    adjusted = holm(all_pairs(outcomes, added, training.df)[upper])
    table: list[list[Pair | None]] = [[None] * len(methods) for _ in methods]
    for i, j, p in zip(*upper, adjusted, strict=True):
        mean = outcomes[i].mean() - outcomes[j].mean()
        low, high = np.percentile(means[:, i] - means[:, j], [2.5, 97.5])
        if added[i] + added[j] > 0:
            low, high = training.widened(mean, low, high, added[i] + added[j])
        mean, low, high = (0.0 if abs(value) < ROUNDING else float(value) for value in
                           (mean, low, high))  # fmt: skip
        table[i][j] = Pair(mean, low, high, float(p))
        table[j][i] = Pair(0.0 - mean, 0.0 - high, 0.0 - low, float(p))
    return table

"""Which difference of two rows would be seen, with how many seeds and users.

The variance of a difference of n runs each on Q users (stats/sample.py, stats/pairs.py) is

    lasting / Q + flips / (n Q) + runs / n,

and it is seen with the power asked where it is q + z(power) standard errors, q the quantile of the
test. More seeds leave the first term, more users the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from tokbench.stats.estimate import KNOWN, LEVEL, quantile
from tokbench.stats.pairs import differences
from tokbench.stats.sample import Sample

MOST_RUNS = 1000
MOST_USERS = 10**9


@dataclass(frozen=True)
class Components:
    """Variance of the difference of two rows in any figure, for one user and one run of each."""

    lasting: float  # of a user's difference that stays from run to run
    flips: float  # of a user's difference from one run to the next, both rows together
    runs: float  # of the runs' own effects, both rows together; 0: more users average all out

    def variance(self, runs: int, users: float) -> float:
        """Of the mean over `users` of the mean over `runs` of each row."""
        return self.lasting / users + self.flips / (runs * users) + self.runs / runs


def components(rows: Sequence[Sample]) -> Components:
    """The mean over all pairs of two or more rows of a board, their run variances as pooled over
    their families."""
    upper, users = np.triu_indices(len(rows), 1), len(rows[0].users)
    lasting = differences(rows)[1][upper] * users
    flips = np.array([row.variance.flips if row.runs else 0.0 for row in rows])
    net = np.array([row.variance.total if row.runs else 0.0 for row in rows]) - flips
    own = np.maximum(0.0, (net[:, None] + net)[upper])
    both = (flips[:, None] + flips)[upper] * users
    return Components(float(lasting.mean()), float(both.mean()), float(own.mean()))


def detectable(
    parts: Components, *, runs: int, users: float, rows: int = 2, power: float = 0.8
) -> float:
    """The difference that a test at 5 % finds with `power`, in the figure's own unit.

    `rows` are those that share the run variance (a family): it has rows * (runs - 1) degrees of
    freedom. Infinite where it has none, since nothing is claimed then.
    """
    of_runs = parts.flips / (runs * users) + parts.runs / runs
    df = rows * (runs - 1)
    if of_runs > 0 and df < 1:
        return float("inf")
    q = quantile(LEVEL, parts.lasting / users, KNOWN, of_runs, df or KNOWN)
    return float((q + ndtri(power)) * np.sqrt(parts.variance(runs, users)))


def runs_needed(
    wished: float, parts: Components, *, users: float, rows: int = 2, power: float = 0.8
) -> int | None:
    """The fewest runs of each row with which `wished` is detectable; None: no number does it."""

    def enough(runs: int) -> bool:
        return detectable(parts, runs=runs, users=users, rows=rows, power=power) <= wished

    return next((runs for runs in range(1, MOST_RUNS + 1) if enough(runs)), None)


def users_needed(
    wished: float, parts: Components, *, runs: int, rows: int = 2, power: float = 0.8
) -> int | None:
    """The fewest users on whom `wished` is detectable; None: no number does it."""

    def enough(users: int) -> bool:
        return detectable(parts, runs=runs, users=users, rows=rows, power=power) <= wished

    if not enough(MOST_USERS):
        return None
    few, many = 0, MOST_USERS
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if enough(middle) else (middle, many)
    return many

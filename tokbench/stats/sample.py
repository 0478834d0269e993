"""A row of a board in one figure: what its users got, and what another training run would change.

Axes: S runs of a row, Q users.

Model: outcome[s, u] = mean + user_u + run_s + flip_su. A user has a lasting inclination, a run a
main effect, and the rest is the user's own from run to run (at a hit rate of a few per cent mostly
the flip of a coin). The mean of S runs has the variance

    var(user) / Q + var(flip) / (S Q) + var(run) / S.

The first two are what the users' means over runs vary: U = var_u(mean_u) / Q. What the figure of a
whole run varies, s^2, estimates var(run) + var(flip) / Q, so its second part is in U already; it is
f = sum_u var_s(outcome_u) / Q^2, known well since thousands of users share it. Hence

    variance = U + (s^2 - f) / S = (U - f / S) + s^2 / S,

the two-way analysis of variance with users and runs at random (Searle, Casella and McCulloch 1992,
ch. 4). The right side has no negative term but U - f / S = var(user) / Q, which is cut at zero; it
is the `users` part of an estimate and s^2 / S its `runs` part, with the degrees of freedom of s^2.
Cutting s^2 - f at zero instead would make tests of equal methods too strict (half as many errors as
asked for where runs have no effect of their own; benchmarks/calibration). f holds whatever the
law of the flips; where the outcomes of users within a run pull against each other, var(run) is
negative and stands for that.

s^2 and f are pooled over the rows of a family: rows of one kind that another run should move alike
(random codes, semantic codes, models over item ids). A row that was run once takes them from its
family; where the whole family was run once nothing is known, and only users are covered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tokbench.stats.estimate import KNOWN, LEVEL, Estimate, Values, quantile

ROUNDING = 1e-12  # figures closer than that differ by rounding only


@dataclass(frozen=True)
class RunVariance:
    """What a figure varies from one training run to the next on the same users."""

    total: float = 0.0  # s^2
    flips: float = 0.0  # f, the part of it that is the users' own
    df: float = 0  # degrees of freedom behind both; 0: no row was repeated

    @property
    def sd(self) -> float:
        """Standard deviation of a run's figure on the same users, their flips included."""
        return float(np.sqrt(self.total))

    @property
    def net_sd(self) -> float:
        """Standard deviation of the run's own effect, which more users would not average out."""
        return float(np.sqrt(max(0.0, self.total - self.flips)))


@dataclass(frozen=True)
class Sample:
    """A row: its users' outcomes averaged over runs, and the variance of its runs."""

    users: Values  # [Q]
    cells: int = 1  # runs behind that mean
    runs: int = 0  # independent ones among them; 0: another run would give the same
    variance: RunVariance = RunVariance()  # pooled over its family

    @cached_property
    def mean(self) -> float:
        """The row's figure."""
        return float(self.users.mean())

    @property
    def covers_runs(self) -> bool:
        """Is it known what another run would vary?"""
        return self.runs == 0 or self.variance.df > 0

    @property
    def of_runs(self) -> float:
        """Variance of the row's mean from its runs, its users' flips included: s^2 / S."""
        if self.runs == 0:
            return 0.0
        total, flips = self.variance.total, self.variance.flips
        return max(total / self.cells, flips / self.cells + (total - flips) / self.runs)

    @property
    def of_flips(self) -> float:
        """The part of `of_runs` that the variance over users holds too: f / S."""
        return self.variance.flips / self.cells if self.runs else 0.0

    @cached_property
    def estimate(self) -> Estimate:
        """The mean with its variance. For figures between 0 and 1 see `interval`."""
        variance, df = _spread(self.users)
        users = max(0.0, variance - self.of_flips)
        return Estimate(
            self.mean, users, df, self.of_runs, self.variance.df or KNOWN, self.covers_runs
        )

    def interval(self, level: float = 1 - LEVEL) -> tuple[float, float]:
        """(low, high) of the mean of a figure between 0 and 1; users only without `covers_runs`.

        Wilson's (1927) score interval with the sample size that the variance amounts to,
        n = mean (1 - mean) / variance, as survey statistics has it (Korn and Graubard 1998; Franco
        et al. 2019, doi 10.1093/jssam/smy019): right with three hits too, and inside [0, 1].
        """
        one = self.estimate
        q2 = float(quantile(1 - level, one.users, KNOWN, one.runs, one.runs_df)) ** 2
        binomial = one.value * (1 - one.value)
        varied = one.users + one.runs
        n = binomial / varied if binomial > 0 and varied > 0 else len(self.users)
        middle = one.value + q2 / (2 * n)
        half = np.sqrt(q2 * (binomial + q2 / (4 * n)) / n)
        low, high = (middle - half) / (1 + q2 / n), (middle + half) / (1 + q2 / n)
        return max(0.0, float(low)), min(1.0, float(high))


def samples(
    outcomes: Sequence[Values],
    families: Sequence[str | None],
    runs: Sequence[int],
    twins: Sequence[int] | None = None,
) -> list[Sample]:
    """The rows of a board in one figure: `outcomes` [S, Q] of each, its family (None: nothing is
    trained), how many of its runs are independent (`independent_runs`), and of how many rows,
    itself included, its runs are all but the same (None: each row has its own)."""
    shares = [1 / n for n in twins or [1] * len(outcomes)]
    known = {
        family: pooled(
            [
                (row, n, share)
                for row, other, n, share in zip(outcomes, families, runs, shares, strict=True)
                if other == family
            ]
        )
        for family in {*families} - {None}
    }
    return [
        Sample(row.mean(axis=0))
        if family is None
        else Sample(row.mean(axis=0), len(row), n, known[family])
        for row, family, n in zip(outcomes, families, runs, strict=True)
    ]


def pooled(rows: Sequence[tuple[Values, int, float]]) -> RunVariance:
    """The variance of one run over the rows of a family: outcomes [S, Q], independent runs, and
    the share with which each row counts: twins say the same thing twice, and count as one row.

    n independent runs have n - 1 degrees of freedom. Of crossed seeds, S runs of which n are
    independent, the runs' own variance is scaled as if n runs had its squares: their effects are
    more alike than independent ones, and the plain variance is too small. Flips are independent.
    """
    net = flips = df = 0.0
    for outcomes, n, share in rows:
        if n < 2:
            continue
        runs, users = outcomes.shape
        own = float(outcomes.var(axis=0).sum()) / users**2
        net += share * n * (float(outcomes.mean(axis=1).var()) - own)
        flips += share * (n - 1) * own * runs / (runs - 1)
        df += share * (n - 1)
    if df == 0:
        return RunVariance()
    total = max(0.0, net + flips)
    total, flips = (0.0 if part < ROUNDING**2 else part / df for part in (total, flips))
    return RunVariance(total, flips, int(df) if df == int(df) else df)


def independent_runs(seeds: Sequence[tuple[int, int]]) -> int:
    """Runs that share no seed, of (tokenizer seed, generator seed): crossed seeds give as many as
    their shorter axis.

    Seeds that move along one axis count as they are; the other axis is then held fixed, and what
    it would add is not covered.
    """
    axes = [set(axis) for axis in zip(*seeds, strict=True)]
    return min((len(axis) for axis in axes if len(axis) > 1), default=1)


def _spread(users: Values) -> tuple[float, float]:
    """The variance of the mean of [Q] values, and its degrees of freedom, see `users_df`."""
    if len(users) < 2 or np.ptp(users) < ROUNDING:
        return 0.0, KNOWN
    centred = users - users.mean()
    squares = centred**2
    second, fourth = squares.mean(), (squares**2).mean()
    df = users_df(second, fourth, len(users))
    return float(second / (len(users) - 1)), float(df)


def users_df(second: Values | float, fourth: Values | float, users: int) -> Values:
    """Degrees of freedom of a variance over `users` values with these central moments.

    Satterthwaite's with the kurtosis: Q values of a normal law have about Q, and where only n
    users have any difference, all alike, there are 2 n: few hits are few, however many users.
    """
    second, fourth = np.asarray(second, float), np.asarray(fourth, float)
    kurtosis = np.divide(fourth, second**2, out=np.ones(second.shape), where=second > 0)
    doubt = np.maximum(kurtosis - 1, 2 / users) / users
    df: Values = np.minimum(2 / doubt, KNOWN)
    return df

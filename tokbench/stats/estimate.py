"""An estimate whose variance has two parts, users and training runs, with its interval and p.

The variance of the users' part is known from thousands of users, that of the runs from a handful
of runs, so neither the normal quantile nor Student's fits. Cochran's (1964, Biometrics 20:191)
approximate t weighs the two quantiles by the variances they belong to:

    q(a) = (users * t(a, users_df) + runs * t(a, runs_df)) / (users + runs)

The interval is value -+ q(0.05) * sqrt(users + runs), and p is the a at which it ends at zero: the
two always agree. Degrees of freedom of a sum are Satterthwaite's (1946, Biometrics Bull. 2:110).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]

LEVEL = 0.05
LEAST_P = 1e-15  # smaller ones are not told from it
KNOWN = 2000.0  # degrees of freedom from which on a variance counts as known


@dataclass(frozen=True)
class Estimate:
    """A mean or a difference of means, with the parts of its variance."""

    value: float
    users: float  # variance from the sampling of users
    users_df: float
    runs: float  # variance from training runs
    runs_df: float
    covers_runs: bool = True  # False: nobody knows what training varies; `runs` is 0 then

    @property
    def error(self) -> float:
        """Standard error."""
        return float(np.sqrt(self.users + self.runs))

    def interval(self, level: float = 1 - LEVEL) -> tuple[float, float]:
        """(low, high) at the `level` of coverage; users only where `covers_runs` is False."""
        q = quantile(1 - level, self.users, self.users_df, self.runs, self.runs_df)
        half = float(q) * self.error
        return self.value - half, self.value + half

    def detectable(self, power: float = 0.8) -> float | None:
        """The true difference that this test at 5 % finds with `power`: so many runs on these
        users, of which it takes the variance found here for the true one. None without a claim, or
        where nothing varies."""
        from scipy.special import ndtri

        q = quantile(LEVEL, self.users, self.users_df, self.runs, self.runs_df)
        known = self.covers_runs and self.error > 0
        return float(q + ndtri(power)) * self.error if known else None

    @property
    def p(self) -> float:
        """Two-sided p of zero; of the sampling of users only where `covers_runs` is False."""
        return float(p_value(self.value, self.users, self.users_df, self.runs, self.runs_df))

    @property
    def different(self) -> bool | None:
        """Does the interval exclude zero, as it does exactly if p is below 5 %? None, no claim,
        where the variance of training runs is not known."""
        low, high = self.interval()
        return (low > 0 or high < 0) and self.error > 0 if self.covers_runs else None


def mean(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of independent estimates, as of one difference on several datasets.

    It speaks of these datasets: their errors add, and what other datasets would say is not
    covered. Training runs are covered only where they are on every dataset.
    """
    count = len(estimates)
    users = [one.users / count**2 for one in estimates]
    runs = [one.runs / count**2 for one in estimates]
    return Estimate(
        fmean(one.value for one in estimates),
        sum(users),
        float(satterthwaite(users, [one.users_df for one in estimates])),
        sum(runs),
        float(satterthwaite(runs, [one.runs_df for one in estimates])),
        all(one.covers_runs for one in estimates),
    )


def satterthwaite(variances: ArrayLike, df: ArrayLike) -> Values:
    """Degrees of freedom of a sum along the first axis of independent `variances` with `df`.

    Parts of no variance count for nothing; where all are such, the sum is known exactly.
    """
    parts, freedom = np.broadcast_arrays(np.asarray(variances, float), np.asarray(df, float))
    total = parts.sum(axis=0)
    doubt = np.divide(parts**2, freedom, out=np.zeros(parts.shape), where=parts > 0).sum(axis=0)
    known: Values = np.full(total.shape, KNOWN)
    np.divide(total**2, doubt, out=known, where=doubt > 0)
    return np.minimum(known, KNOWN)


def quantile(
    level: ArrayLike, users: ArrayLike, users_df: ArrayLike, runs: ArrayLike, runs_df: ArrayLike
) -> Values:
    """Cochran's two-sided quantile at error `level`, see the head of this file; broadcasts."""
    users, runs = np.asarray(users, float), np.asarray(runs, float)
    total = users + runs
    share = np.divide(runs, total, out=np.zeros(total.shape), where=total > 0)
    q: Values = (1 - share) * _student(level, users_df) + share * _student(level, runs_df)
    return q


def p_value(
    value: ArrayLike, users: ArrayLike, users_df: ArrayLike, runs: ArrayLike, runs_df: ArrayLike
) -> Values:
    """The error level at which `quantile` reaches |value| in standard errors; broadcasts.

    1 where the value is 0 or nothing varies, and at least LEAST_P. It lies between the p of either
    part's own degrees of freedom, and is found by bisection of its logarithm.
    """
    value, users, users_df, runs, runs_df = np.broadcast_arrays(
        *(np.asarray(part, float) for part in (value, users, users_df, runs, runs_df))
    )
    error = np.sqrt(users + runs)
    away = np.divide(np.abs(value), error, out=np.zeros(value.shape), where=error > 0)
    ends = np.log(np.maximum([_tails(away, users_df), _tails(away, runs_df)], LEAST_P))
    low, high = ends.min(axis=0), ends.max(axis=0)
    for _ in range(30):
        middle = (low + high) / 2
        beyond = away < quantile(np.exp(middle), users, users_df, runs, runs_df)
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    found: Values = np.exp(high)
    return found


def _tails(away: Values, df: Values) -> Values:
    """Two-sided p of Student's t; where the variance counts as known, of the normal law."""
    from scipy.special import ndtr, stdtr

    p: Values = np.array(2 * ndtr(-away))
    few = df < KNOWN
    p[few] = 2 * stdtr(df[few], -away[few])
    return p


def _student(level: ArrayLike, df: ArrayLike) -> Values:
    """Two-sided quantile of Student's t; where the variance counts as known, of the normal law."""
    from scipy.special import ndtri, stdtrit

    level, df = np.broadcast_arrays(np.asarray(level, float), np.asarray(df, float))
    q: Values = np.array(-ndtri(level / 2))
    few = df < KNOWN
    q[few] = -stdtrit(df[few], level[few] / 2)
    return q

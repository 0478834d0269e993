"""Two rows on the users they share: difference, ratio, and every pair of a board.

A user's two outcomes go together, so the variance of a difference is taken from the users' own
differences of means over runs, U = var_u(a_u - b_u) / Q, and stats/sample.py holds for it as for a
row: U has the flips of both rows in it, f_a / S_a + f_b / S_b, and

    variance = max(0, U - f_a / S_a - f_b / S_b)  +  s_a^2 / S_a + s_b^2 / S_b.

Runs of two rows are taken as independent. Where equal seeds make them alike the variance is too
large, never too small. Two rows that another run would not change leave U alone, whose degrees of
freedom are few where few users differ; that replaces enumerating their signs.

Axes: R rows, Q users.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tokbench.stats.estimate import (
    KNOWN,
    LEVEL,
    Estimate,
    Values,
    p_value,
    quantile,
    satterthwaite,
)
from tokbench.stats.sample import ROUNDING, Sample, users_df


@dataclass(frozen=True)
class Pairs:
    """Row i minus row j, [R, R] each; intervals and p one by one, not adjusted for their number."""

    difference: Values
    low: Values
    high: Values
    p: Values  # 1 on the diagonal
    covers_runs: NDArray[np.bool_]  # False: users only, so no claim


def difference(a: Sample, b: Sample) -> Estimate:
    """a - b, over users and runs."""
    value, users, df, runs, runs_df = (float(part[0, 1]) for part in differences([a, b]))
    return Estimate(value, users, df, runs, runs_df, a.covers_runs and b.covers_runs)


def all_pairs(rows: Sequence[Sample], level: float = 1 - LEVEL) -> Pairs:
    """Every row minus every other one; interval i, j excludes 0 exactly if p[i, j] < 1 - level."""
    value, *variance = differences(rows)
    half = quantile(1 - level, *variance) * np.sqrt(variance[0] + variance[2])
    np.fill_diagonal(half, 0.0)
    upper = np.triu_indices(len(rows), 1)
    p = np.ones(value.shape)
    p[upper] = p_value(value[upper], *(part[upper] for part in variance))
    p = np.minimum(p, p.T)
    known = np.array([row.covers_runs for row in rows])
    return Pairs(value, value - half, value + half, p, known[:, None] & known)


def covariance(rows: Sequence[Sample]) -> Values:
    """Covariance matrix [R, R] of the rows' means: users shared, runs each row's own."""
    users = np.atleast_2d(np.cov([row.users for row in rows])) / len(rows[0].users)
    net = [row.of_runs - row.of_flips for row in rows]
    diagonal = np.maximum(np.diag(users) + net, [row.of_runs for row in rows])
    np.fill_diagonal(users, diagonal)
    return users


def differences(rows: Sequence[Sample]) -> tuple[Values, Values, Values, Values, Values]:
    """(value, users, users_df, runs, runs_df) of the `Estimate` of every pair, [R, R] each.

    Moments of differences are sums of products of powers of centred outcomes: matrix products,
    where a loop over pairs would make Q differences each.
    """
    assert len({row.users.shape for row in rows}) == 1, "paired rows share their users"
    means = np.array([row.mean for row in rows])
    value = means[:, None] - means
    value[np.abs(value) < ROUNDING] = 0.0
    x = np.stack([row.users for row in rows])
    x -= means[:, None]
    count = x.shape[1]
    squares = x**2
    own2, own4 = squares.mean(axis=1), (squares**2).mean(axis=1)
    scale = own2[:, None] + own2
    second = scale - 2 * (x @ x.T) / count
    second[second < ROUNDING * scale] = 0.0  # equal rows
    mixed = (squares * x) @ x.T / count  # a power of 3 is twenty times as slow
    fourth = own4[:, None] + own4 - 4 * (mixed + mixed.T) + 6 * (squares @ squares.T) / count
    df = users_df(second, np.maximum(fourth, second**2), count)
    flips = np.array([row.of_flips for row in rows])
    users = np.maximum(0.0, second / max(1, count - 1) - flips[:, None] - flips)
    runs = np.array([row.of_runs for row in rows])
    freedom = np.array([row.variance.df if row.runs and row.variance.df else KNOWN for row in rows])
    both, dfs = (np.stack(np.broadcast_arrays(one[:, None], one)) for one in (runs, freedom))
    runs_df = satterthwaite(both, dfs)
    families = [row.variance for row in rows]
    same = np.array([[one == other for other in families] for one in families])
    alike = same & (runs > 0) & (runs > 0)[:, None]  # one family's s^2 twice is still one s^2
    return value, users, df, both.sum(axis=0), np.where(alike, freedom, runs_df)


@dataclass(frozen=True)
class Ratio:
    """a / b with Fieller's bounds: all ratios that the paired test does not exclude.

    `inside`: they lie between low and high. `outside`: b may be zero, so they are low and less,
    and high and more, with a gap of excluded ratios between. `all`: none is excluded; low and high
    are then -+ infinity.
    """

    value: float
    low: float
    high: float
    shape: Literal["inside", "outside", "all"]
    covers_runs: bool = True

    @property
    def ruled_out_above(self) -> float:
        """The ratio beyond which all larger ones are excluded; infinity where none is."""
        return self.high if self.shape == "inside" else float("inf")

    @property
    def ruled_out_below(self) -> float:
        """The ratio below which all smaller ones are excluded; minus infinity where none is."""
        return self.low if self.shape == "inside" else float("-inf")


def ratio(a: Sample, b: Sample, level: float = 1 - LEVEL) -> Ratio:
    """a / b of two rows on the same users; it excludes 1 exactly if their difference excludes 0.

    Fieller (1954, J. R. Stat. Soc. B 16:175): those t with |a - t b| <= q se(a - t b), where both
    means, their covariance over users and the denominator's error count. q is that of the
    difference, at t = 1.
    """
    one = difference(a, b)
    q2 = float(quantile(1 - level, one.users, one.users_df, one.runs, one.runs_df)) ** 2
    (aa, ab), (_, bb) = covariance([a, b])
    ab = (aa + bb - one.users - one.runs) / 2  # so that t = 1 has the variance of the difference
    square, cross, rest = b.mean**2 - q2 * bb, a.mean * b.mean - q2 * ab, a.mean**2 - q2 * aa
    value = a.mean / b.mean if b.mean else float("nan")
    covers = one.covers_runs
    root = cross**2 - square * rest  # a quarter of the discriminant
    if root < 0 or square == 0:
        return Ratio(value, -np.inf, np.inf, "all", covers)
    low, high = sorted(((cross - np.sqrt(root)) / square, (cross + np.sqrt(root)) / square))
    return Ratio(value, float(low), float(high), "inside" if square > 0 else "outside", covers)

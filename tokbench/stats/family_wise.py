"""p values corrected for how many comparisons were made: some error in 5 % of families at most.

`holm` for any set of p values. `adjusted` for every pair of a board: all of them share the rows'
errors and one s^2 a family, so the largest of the pairs' statistics by chance is far smaller than
Bonferroni has to fear, most of all where s^2 has few degrees of freedom. It is the step-down max-T
procedure of Westfall and Young (1993, ch. 2), the chance drawn from the law that the tests assume.

Axes: R rows, P pairs, D draws.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tokbench.stats.estimate import LEVEL, Values, quantile
from tokbench.stats.pairs import all_pairs, covariance, differences
from tokbench.stats.sample import Sample

DRAWS = 4000
FEWEST_DF = (
    4  # of the best known family; below that the chance drawn is too small (an error in 9 %)
)


def holm(p: Values) -> Values:
    """Holm's (1979) adjusted p of [C] comparisons: the family errs at most at the level asked.

    The i-th smallest of C is multiplied by C - i + 1, and none falls below the one before it.
    """
    order = np.argsort(p, kind="stable")
    steps = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def adjusted(rows: Sequence[Sample], *, draws: int = DRAWS, seed: int = 0) -> Values:
    """Family-wise p of every pair of rows, [R, R], see `family_wise`."""
    return family_wise(rows, draws=draws, seed=seed)[0]


def family_wise(
    rows: Sequence[Sample], *, draws: int = DRAWS, seed: int = 0
) -> tuple[Values, Values]:
    """(p, half width of the interval) of every pair of rows, [R, R] each, for all pairs together:
    p is never below the pair's own; 95 % of boards have the truth inside all of their intervals.

    Under the hypothesis that all rows are equal their means err by a normal law with the covariance
    of the board, and each family's s^2 by a chi-square. A pair's statistic is its difference in
    standard errors, over the quantile of its own degrees of freedom at LEVEL / R, so that pairs of
    which less is known do not decide for all. From the pair that is clearest on, each is compared
    with the largest statistic of itself and all that are less clear; intervals allow for the
    largest of all, so one may reach 0 where p is just below 5 %. Holm's p and Bonferroni's
    intervals where runs are hardly known (FEWEST_DF).
    """
    if len(rows) < 2:
        return np.ones((len(rows), len(rows))), np.zeros((len(rows), len(rows)))
    upper = np.triu_indices(len(rows), 1)
    pairs = all_pairs(rows, 1 - LEVEL / len(upper[0]))
    alone = pairs.p
    few = any(row.runs for row in rows) and max(row.variance.df for row in rows) < FEWEST_DF
    if few or len(upper[0]) < 2:
        alone[upper] = holm(alone[upper])
        return np.maximum(np.triu(alone), np.triu(alone).T), (pairs.high - pairs.low) / 2
    value, users, users_df, runs, runs_df = (part[upper] for part in differences(rows))
    scale = quantile(LEVEL / len(rows), users, users_df, runs, runs_df)
    error = np.sqrt(users + runs)
    found = np.divide(np.abs(value), scale * error, out=np.zeros(value.shape), where=error > 0)
    errors, of_runs = _chance(rows, draws, seed)
    reached = np.zeros(draws)  # the largest statistic by chance, of the pairs so far
    p = np.ones(alone.shape)
    steps = []
    for pair in np.argsort(found, kind="stable"):
        i, j = upper[0][pair], upper[1][pair]
        if error[pair] > 0:
            varied = np.sqrt(users[pair] + of_runs[i] + of_runs[j])
            np.maximum(reached, np.abs(errors[i] - errors[j]) / (varied * scale[pair]), out=reached)
        steps.append((i, j, (1 + np.sum(reached >= found[pair])) / (1 + draws)))
    highest = 0.0
    for i, j, chance in reversed(steps):
        highest = max(highest, float(chance), float(alone[i, j]))
        p[i, j] = p[j, i] = highest
    half = np.zeros(alone.shape)
    half[upper] = np.quantile(reached, 1 - LEVEL) * scale * error
    return p, half + half.T


def _chance(rows: Sequence[Sample], draws: int, seed: int) -> tuple[Values, Values]:
    """Errors of the rows' means by chance, and what s^2 then says that runs vary, [R, D] each.

    A family's true variance is not known: each draw takes another, from what s^2 leaves open.
    """
    rng = np.random.default_rng(seed)
    of_runs = np.array([row.of_runs for row in rows])[:, None].repeat(draws, axis=1)
    seen = of_runs.copy()
    for family in dict.fromkeys(row.variance for row in rows if row.runs and row.variance.df):
        own = [row.variance == family and row.runs > 0 for row in rows]
        true = family.df / rng.chisquare(family.df, draws)
        of_runs[own] *= true
        seen[own] *= true * rng.chisquare(family.df, draws) / family.df
    users = covariance(rows) - np.diag([row.of_runs for row in rows])
    size, axes = np.linalg.eigh(users)
    errors: Values = (axes * np.sqrt(np.maximum(size, 0.0))) @ rng.standard_normal(of_runs.shape)
    return errors + np.sqrt(of_runs) * rng.standard_normal(of_runs.shape), seen

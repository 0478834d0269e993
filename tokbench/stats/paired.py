"""Paired tests on per-user outcomes: can two rows be told apart by the users they share?

Axes: R rows of a board, Q users.

If two methods were equal, swapping a user's two outcomes would change nothing, so each difference
could as well have had the other sign. The sign-flip permutation test (Fisher 1935) draws those
signs. It fits here and Wilcoxon's does not: most users score 0 under both methods and Wilcoxon
drops or splits such ties, and it ranks differences where the board compares their mean.

The sign-flip test speaks of the sampling of users, with the seeds of a row averaged. What another
training run would give comes in as a variance of its own (report/training.py), where it is known.
"""

from __future__ import annotations

import numpy as np

from tokbench.stats.family_wise import holm as holm  # claims and pairs take it from here
from tokbench.stats.run_variance import Values, t_test

EXACT_UP_TO = 12  # differing users; 4096 sign patterns
ROUNDING = 1e-12  # differences below it come from averaging seeds, not from users


def differences(a: Values, b: Values) -> Values:
    """a - b per user, [Q], rounding removed."""
    difference: Values = np.where(np.abs(a - b) > ROUNDING, a - b, 0.0)
    return difference


def sign_flip(difference: Values, *, resamples: int = 9999, seed: int = 0) -> float:
    """Two-sided p of the mean of [Q] differences; exact where 2^(differing users) <= resamples."""
    from scipy.stats import permutation_test

    moving = difference[difference != 0]  # a zero keeps its value under either sign
    if len(moving) < 2:
        return 1.0
    found = permutation_test(
        (moving,),
        _sum,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, 2**20 // len(moving)),
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def _sum(values: Values, axis: int) -> Values:
    total: Values = values.sum(axis=axis)
    return total


def all_pairs(outcomes: Values, training: Values | None = None, df: int = 0) -> Values:
    """p of every pair of rows: [R, Q] -> [R, R], symmetric, 1 on the diagonal.

    Under sign flips the sum of a pair's differences has mean 0 and variance sum d^2, and is close
    to normal; with few differing users it is not, and those pairs are enumerated. `training` [R]
    is the variance that training adds to each row's mean, known with `df` degrees of freedom; it
    is added to that of the users.
    """
    rows, users = outcomes.shape
    added = np.zeros(rows) if training is None else training
    p = np.ones((rows, rows))
    for i in range(rows):
        d = np.where(np.abs(outcomes[i] - outcomes) > ROUNDING, outcomes[i] - outcomes, 0.0)
        runs = np.where(np.arange(rows) == i, 0.0, added + added[i])
        p[i] = t_test(d.mean(axis=1), (d**2).sum(axis=1) / users**2, runs, df)
        few = (d != 0).sum(axis=1) <= EXACT_UP_TO
        for j in np.flatnonzero(few & (runs == 0)):
            p[i, j] = sign_flip(d[j])
    return p

"""Do two figures order rows alike? Spearman's correlation with an interval over users and runs.

Axes: R rows, B resamples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tokbench.stats.correlation import standardized
from tokbench.stats.estimate import LEVEL, Values
from tokbench.stats.pairs import covariance
from tokbench.stats.sample import Sample


def rank_agreement(
    a: Sequence[Sample], b: Sequence[Sample], *, resamples: int = 2000, seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """Spearman's rho of the rows' means in two figures, and the middle 95 % of what it is with
    errors of users and runs drawn on top (the bootstrap of ranks, Hall and Miller 2009, doi
    10.1214/09-AOS699). It speaks of these rows, not of others. Errors of users are drawn together
    for both figures; those of runs on their own. 0 where a figure does not vary."""
    errors = covariance([*a, *b])
    size, axes = np.linalg.eigh(errors)
    root = axes * np.sqrt(np.maximum(size, 0.0))
    drawn = np.random.default_rng(seed).standard_normal((resamples, 2 * len(a))) @ root.T
    means = np.array([row.mean for row in (*a, *b)])
    found = spearman(means[None])
    low, high = np.percentile(spearman(means + drawn), [50 * LEVEL, 100 - 50 * LEVEL])
    return float(found[0]), (float(low), float(high))


def spearman(figures: Values) -> Values:
    """Of the first half of the columns with the second, [B] of [B, 2 R]."""
    from scipy.stats import rankdata

    first, second = (rankdata(half, axis=1) for half in np.split(figures, 2, axis=1))
    varied = (np.ptp(first, axis=1) > 0) & (np.ptp(second, axis=1) > 0)
    rho: Values = np.zeros(len(figures))
    rho[varied] = (standardized(first[varied]) * standardized(second[varied])).sum(axis=1)
    return rho

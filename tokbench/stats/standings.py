"""Rows over several datasets: mean rank (Borda) and win rate, on datasets that all rows have.

Axes: D datasets, R rows, B resamples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokbench.errors import ConfigError
from tokbench.stats.estimate import LEVEL, Values


@dataclass(frozen=True)
class Standings:
    """Of each row, [R], with 95 % intervals [R, 2]."""

    mean_rank: Values  # 1 is the best; rows that are equal share the mean of their ranks
    rank_interval: Values
    win_rate: Values  # share of other rows it is above, an equal one counting half; over datasets
    win_interval: Values


def standings(
    figures: Values, covariances: Values, *, resamples: int = 2000, seed: int = 0
) -> Standings:
    """Standings of `figures` [D, R] with the rows' error `covariances` [D, R, R] on each dataset
    (`tokbench.stats.pairs.covariance`).

    A resample draws D datasets with replacement and, on each, errors of users and training runs;
    the interval is the middle 95 % of what rows would then have. It is the bootstrap of ranks (Hall
    and Miller 2009, doi 10.1214/09-AOS699): with few datasets it is rough, and one alone speaks of
    users and runs only. Raises ConfigError where a row lacks a dataset.
    """
    datasets, rows = figures.shape
    if not np.isfinite(figures).all():
        raise ConfigError("figures hold nan: standings compare rows on datasets that all have")
    rng = np.random.default_rng(seed)
    noisy = np.empty((resamples, datasets, rows))
    for d, (means, covariance) in enumerate(zip(figures, covariances, strict=True)):
        size, axes = np.linalg.eigh(covariance)
        root = axes * np.sqrt(np.maximum(size, 0.0))
        noisy[:, d] = means + rng.standard_normal((resamples, rows)) @ root.T
    drawn = rng.integers(0, datasets, (resamples, datasets))
    wins = _wins(noisy)[np.arange(resamples)[:, None], drawn].mean(axis=1)  # [B, R]
    tails = [50 * LEVEL, 100 - 50 * LEVEL]
    interval = np.percentile(wins, tails, axis=0).T
    found = _wins(figures).mean(axis=0)
    others = max(1, rows - 1)
    return Standings(rows - found, rows - interval[:, ::-1], found / others, interval / others)


def _wins(figures: Values) -> Values:
    """How many others each row is above, an equal one counting half: R minus its mid-rank."""
    from scipy.stats import rankdata

    ranks: Values = rankdata(figures, axis=-1) - 1
    return ranks

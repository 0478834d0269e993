"""Confidence intervals over users, by the percentile bootstrap (Efron & Tibshirani 1993, ch. 13).

Axes: Q queries (users), F figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tokbench.errors import ConfigError

if TYPE_CHECKING:
    from scipy.stats._resampling import BootstrapResult

Bound = NDArray[np.float64]

DRAWS_AT_ONCE = 2**17  # users drawn per batch of resamples: memory is F times this, in float64


def bootstrap(
    values: ArrayLike, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[Bound, Bound]:
    """(low, high) of the mean over users; `values` is [Q] or [Q, F], the bounds are [] or [F].

    Users are drawn, not figures: all F columns see the same resamples, and a column's interval is
    the same whether it comes alone or with others. One user has nothing to vary, so the interval
    is the point itself. It covers the sampling of users only, not the training of a model.
    """
    table = np.asarray(values, dtype=np.float64)
    assert table.ndim in (1, 2) and len(table) > 0, f"values are [Q] or [Q, F], not {table.shape}"
    if not 0 < level < 1:
        raise ConfigError(f"level {level} is out of bounds: it lies between 0 and 1, as in 0.95")
    if resamples < 1:
        raise ConfigError(f"resamples {resamples} is out of bounds: at least 1, better 1000")
    if len(table) == 1:
        return table[0].copy(), table[0].copy()
    interval = _resampled(table, level=level, resamples=resamples, seed=seed).confidence_interval
    return np.asarray(interval.low), np.asarray(interval.high)


def bootstrap_means(
    values: ArrayLike, *, resamples: int = 2000, seed: int = 0
) -> NDArray[np.float64]:
    """The mean of every column of [Q, F] under every resample of `bootstrap`: [resamples, F].

    All columns see the same draws of users, so differences of columns are paired: their 2.5 and
    97.5 percentiles are the interval that `bootstrap` gives for the columns' difference.
    """
    table = np.asarray(values, dtype=np.float64)
    assert table.ndim == 2 and len(table) > 0, f"values are [Q, F], not {table.shape}"
    if len(table) == 1:
        return np.repeat(table, resamples, axis=0)
    found = _resampled(table, level=0.95, resamples=resamples, seed=seed)
    return np.asarray(found.bootstrap_distribution, dtype=np.float64).T


def _resampled(table: Bound, *, level: float, resamples: int, seed: int) -> BootstrapResult:
    from scipy.stats import bootstrap as resample

    return resample(
        (table,),
        np.mean,
        axis=0,
        vectorized=True,
        method="percentile",
        confidence_level=level,
        n_resamples=resamples,
        batch=max(1, DRAWS_AT_ONCE // len(table)),
        rng=np.random.default_rng(seed),
    )

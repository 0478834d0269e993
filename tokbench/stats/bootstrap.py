"""Confidence intervals over users, by the percentile bootstrap (Efron & Tibshirani 1993, ch. 13).

Axes: Q queries (users), F figures.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tokbench.api import batches
from tokbench.errors import ConfigError

Bound = NDArray[np.float64]

DRAWS_AT_ONCE = 2**20  # users drawn at a time: memory is some 30 times this, in bytes


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
    tails = [50 * (1 - level), 50 * (1 + level)]
    low, high = np.percentile(bootstrap_means(table, resamples=resamples, seed=seed), tails, axis=0)
    return np.asarray(low), np.asarray(high)


def bootstrap_means(
    values: ArrayLike, *, resamples: int = 2000, seed: int = 0
) -> NDArray[np.float64]:
    """The mean over users under every resample of `bootstrap`: [resamples] or [resamples, F].

    All columns see the same draws of users, so differences of columns are paired: their 2.5 and
    97.5 percentiles are the interval that `bootstrap` gives for the columns' difference.
    """
    table = np.asarray(values, dtype=np.float64)
    counts = draws(len(table), resamples, seed)
    means = [counts[block] @ table / len(table) for block in batches(resamples, 100)]
    return np.concatenate(means)


@lru_cache(maxsize=2)  # every row of a board asks for the same draws
def draws(users: int, resamples: int, seed: int) -> NDArray[np.uint8]:
    """How often each user was drawn in each resample, [resamples, users].

    With counts the means of all figures are a matrix product, where scipy.stats.bootstrap gathers
    the users' values; the draws are the same.
    """
    rng = np.random.default_rng(seed)
    size = max(1, DRAWS_AT_ONCE // users)
    counts = np.empty((resamples, users), np.uint8)
    for block in batches(resamples, size):
        rows = np.arange(block.stop - block.start)[:, None] * users
        flat = (rng.integers(0, users, (len(rows), users)) + rows).ravel()
        counts[block] = np.bincount(flat, minlength=len(rows) * users).reshape(-1, users)
    return counts

"""What is measured: the statistics of tokbench, what they replaced, and ways not taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, t

from benchmarks.calibration.boards import Rows, Values, seeds
from tokbench.stats.family_wise import adjusted, holm
from tokbench.stats.pairs import all_pairs
from tokbench.stats.sample import Sample, independent_runs, samples

DRAWS = 1000  # a board has 4,000; here the boards are many


@dataclass(frozen=True)
class Said:
    """What a method says of a board; nan: nothing."""

    low: Values  # [R], 95 % interval of each row
    high: Values
    p: Values  # [R, R] of a pair alone
    adjusted: Values  # [R, R] over all pairs


Method = Callable[[Sequence[Values], Sequence[Rows]], Said]


def now(outcomes: Sequence[Values], rows: Sequence[Rows]) -> Said:
    """tokbench.stats, pooled by family."""
    return _said(outcomes, rows, [row.family for row in rows], _adjusted)


def now_holm(outcomes: Sequence[Values], rows: Sequence[Rows]) -> Said:
    """The same with Holm's correction."""
    return _said(outcomes, rows, [row.family for row in rows], _holm)


def one_pool(outcomes: Sequence[Values], rows: Sequence[Rows]) -> Said:
    """The same with one variance for all trained rows."""
    return _said(outcomes, rows, ["all" if row.runs else None for row in rows], _adjusted)


def no_pool(outcomes: Sequence[Values], rows: Sequence[Rows]) -> Said:
    """The same with a variance for each row."""
    own = [str(n) if row.runs else None for n, row in enumerate(rows)]
    return _said(outcomes, rows, own, _adjusted)


def _adjusted(rows: Sequence[Sample]) -> Values:
    return adjusted(rows, draws=DRAWS)


def _holm(rows: Sequence[Sample]) -> Values:
    p = all_pairs(rows).p
    upper = np.triu_indices(len(p), 1)
    p[upper] = holm(p[upper])
    return np.maximum(np.triu(p), np.triu(p).T)


def _said(
    outcomes: Sequence[Values],
    rows: Sequence[Rows],
    families: Sequence[str | None],
    adjust: Callable[[Sequence[Sample]], Values],
) -> Said:
    made = samples(outcomes, families, [independent_runs(seeds(row)) for row in rows])
    pairs = all_pairs(made)
    known = np.array([row.covers_runs for row in made])
    bounds = [row.interval() if row.covers_runs else (np.nan, np.nan) for row in made]
    corrected = np.full(pairs.p.shape, np.nan)
    if any(row.runs and row.covers_runs for row in made) or known.all():  # as group_letters has it
        corrected[np.ix_(known, known)] = adjust([row for row in made if row.covers_runs])
    low, high = np.array(bounds).T
    return Said(low, high, np.where(pairs.covers_runs, pairs.p, np.nan), corrected)


def before(outcomes: Sequence[Values], rows: Sequence[Rows]) -> Said:
    """Until this was measured: s^2 as it is, pooled over all trained rows, added to the users'."""
    trained = [one for one, row in zip(outcomes, rows, strict=True) if row.runs]
    repeated = [one.mean(axis=1) for one in trained if len(one) > 1]
    df = sum(len(one) - 1 for one in repeated)
    s2 = float(sum(len(one) * one.var() for one in repeated)) / df if df else 0.0
    added = np.array([s2 / independent_runs(seeds(row)) if row.runs else 0.0 for row in rows])
    users = np.stack([one.mean(axis=0) for one in outcomes])
    means, count = users.mean(axis=1), users.shape[1]
    student = t.ppf(0.975, df) if df else 0.0
    half = np.hypot(norm.ppf(0.975) * users.std(axis=1) / np.sqrt(count), student * np.sqrt(added))
    gram = users @ users.T
    squares = (np.diag(gram)[:, None] + np.diag(gram) - 2 * gram) / count**2
    training = added[:, None] + added
    total = np.maximum(squares + training, 1e-30)
    freedom = np.where(training > 0, df * (total / np.where(training > 0, training, 1)) ** 2, 1e9)
    statistic = np.abs(means[:, None] - means) / np.sqrt(total)
    p = 2 * np.asarray(t.sf(statistic, np.maximum(freedom, 1)))
    upper = np.triu_indices(len(p), 1)
    corrected = np.ones(p.shape)
    corrected[upper] = holm(p[upper])
    return Said(means - half, means + half, p, np.minimum(corrected, corrected.T))

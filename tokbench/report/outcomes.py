"""What each user got from a method, and what follows for its mean: intervals and differences.

Axes: Q queries (users), C columns of COLUMNS, S runs of a method, R methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tokbench.report.difference import Difference, Interval
from tokbench.schema.record import Record
from tokbench.schema.run_spec import RunSpec
from tokbench.scoring.metrics import CUTOFFS, ndcg, recall
from tokbench.stats.bootstrap import bootstrap_means
from tokbench.stats.paired import ROUNDING, all_pairs, differences, sign_flip
from tokbench.stats.run_variance import Training, Values, t_test, trained
from tokbench.types import Placement

HEADLINE = "recall@10"
CODE_LEVEL = f"{HEADLINE}/code-level"
FIGURES = tuple(f"{metric}@{k}" for metric in ("recall", "ndcg") for k in CUTOFFS)
COLUMNS = (*FIGURES, CODE_LEVEL)
TAILS = (2.5, 97.5)


def per_user(record: Record) -> Values:
    """The figures of COLUMNS for each user of a completed run, [Q, C]."""
    assert record.outcome is not None
    placement = record.outcome.read_placement()
    hit = np.flatnonzero(placement.position >= 0)  # all others have 0 everywhere
    found = Placement(placement.position[hit], placement.ahead[hit], placement.group[hit])
    columns = [recall(found, k) for k in CUTOFFS] + [ndcg(found, k) for k in CUTOFFS]
    table = np.zeros((len(placement), len(COLUMNS)))
    table[hit] = np.stack([*columns, recall(found, 10, ties="code-level")], axis=1)
    return table


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The completed runs of one method: a row of a board, or a point of a figure."""

    users: Values  # [Q, C], mean over runs
    by_run: Values  # [S, C], mean over users
    specs: tuple[RunSpec, ...]

    @classmethod
    def of(cls, runs: Sequence[Record]) -> Outcomes:
        """Of records that are all done, and of the same users."""
        total, means = None, []
        for record in runs:
            table = per_user(record)
            means.append(table.mean(axis=0))
            total = table if total is None else total + table
        assert total is not None
        return cls(total / len(runs), np.stack(means), tuple(record.spec for record in runs))

    def column(self, figure: str) -> Values:
        """One figure of each user, [Q]."""
        column: Values = self.users[:, COLUMNS.index(figure)]
        return column

    def mean(self, figure: str) -> float:
        """Over users and runs."""
        return float(self.by_run[:, COLUMNS.index(figure)].mean())


class Family:
    """Methods run on one dataset in one setting: what varies from run to run is pooled over them.

    Everything is made when it is asked for, for all methods at once, and kept.
    """

    def __init__(self, methods: Sequence[Outcomes], training: Training | None = None) -> None:
        self.methods = tuple(methods)
        self._training = training
        self._resampled: dict[str, Values] = {}
        self._intervals: dict[str, list[Interval]] = {}
        self._differences: dict[str, dict[tuple[int, int], Difference]] = {}

    @cached_property
    def training(self) -> Training:
        """The variance from one training run to the next, [C]."""
        if self._training is not None:
            return self._training
        return Training.pooled(one.by_run for one in self.methods if trained(one.specs))

    @property
    def same_users(self) -> bool:
        """Can the methods be paired?"""
        return len({len(one.users) for one in self.methods}) == 1

    def run_sd(self, figure: str) -> float | None:
        """Standard deviation from one training run to the next; None: nothing was run twice."""
        if not self.training.df:
            return None
        return float(np.sqrt(self.training.variance[COLUMNS.index(figure)]))

    def added(self, method: int, figure: str) -> float:
        """The variance that training runs add to a method's mean."""
        if not self.training.df:
            return 0.0
        variance = self.training.of_mean(self.methods[method].specs)
        return float(variance[COLUMNS.index(figure)])

    def interval(self, method: int, figure: str) -> Interval:
        """95 % interval of a method's mean: users, and training runs where these are known."""
        if figure not in self._intervals:
            low, high = np.percentile(self._means(figure), TAILS, axis=0)
            values = np.array([one.column(figure).mean() for one in self.methods])
            if self.training.df:
                added = np.array([self.added(n, figure) for n in range(len(values))])
                low, high = self.training.widened(values, low, high, added)
                low, high = np.maximum(low, 0.0), np.minimum(high, 1.0)
            bounds = zip(low.tolist(), high.tolist(), strict=True)
            self._intervals[figure] = list(bounds)
        return self._intervals[figure][method]

    def differences(self, figure: str) -> dict[tuple[int, int], Difference]:
        """Of all pairs i < j of methods, i - j, each p for that pair alone.

        p is of the normal approximation to sign flips (stats/paired.py). Empty where the methods
        were not tested on the same users.
        """
        if figure not in self._differences:
            self._differences[figure] = self._all(figure) if self.same_users else {}
        return self._differences[figure]

    def difference(self, a: int, b: int, figure: str) -> Difference:
        """a - b with p by sign flips where no training run adds variance (stats/paired.py)."""
        d = differences(self.methods[a].column(figure), self.methods[b].column(figure))
        added = self.added(a, figure) + self.added(b, figure)
        if added == 0.0:
            p = sign_flip(d)
        else:
            users = np.asarray((d**2).sum() / len(d) ** 2)
            p = float(t_test(d.mean(), users, np.asarray(added), self.training.df))
        return self._bounded(float(d.mean()), bootstrap_means(d), added, p)

    def _all(self, figure: str) -> dict[tuple[int, int], Difference]:
        outcomes = np.stack([one.column(figure) for one in self.methods])  # [R, Q]
        added = np.array([self.added(n, figure) for n in range(len(outcomes))])
        p = all_pairs(outcomes, added, self.training.df)
        means = self._means(figure)
        values = outcomes.mean(axis=1)
        return {
            (i, j): self._bounded(values[i] - values[j], means[:, i] - means[:, j],
                                  added[i] + added[j], p[i, j])
            for i in range(len(outcomes))
            for j in range(i + 1, len(outcomes))
        }  # fmt: skip

    def _bounded(self, mean: float, resampled: Values, added: float, p: float) -> Difference:
        low, high = np.percentile(resampled, TAILS)
        if added > 0:
            low, high = self.training.widened(np.asarray(mean), low, high, np.asarray(added))
        mean, low, high = (0.0 if abs(value) < ROUNDING else float(value)
                           for value in (mean, low, high))  # fmt: skip
        return Difference(mean, low, high, float(p))

    def _means(self, figure: str) -> Values:
        """Means over resampled users, [resamples, R]; where it is not the figure that every page
        shows, all are made, since converting the draws costs more than a column."""
        if figure not in self._resampled:
            wanted = (HEADLINE,) if figure == HEADLINE else COLUMNS
            self._resampled |= self._drawn(wanted)
        return self._resampled[figure]

    def _drawn(self, figures: Sequence[str]) -> dict[str, Values]:
        at = [COLUMNS.index(figure) for figure in figures]
        drawn = np.stack(resampled([one.users[:, at] for one in self.methods]))
        return {figure: drawn[:, :, k].T for k, figure in enumerate(figures)}


def resampled(samples: Sequence[Values]) -> list[Values]:
    """Means over resampled users, [resamples, F] of each sample [Q, F]; samples of as many users
    share the draws."""
    sizes: dict[int, list[int]] = {}
    for n, values in enumerate(samples):
        sizes.setdefault(len(values), []).append(n)
    means: dict[int, Values] = {}
    for group in sizes.values():
        drawn = bootstrap_means(np.concatenate([samples[n] for n in group], axis=1))
        means |= dict(zip(group, np.split(drawn, len(group), axis=1), strict=True))
    return [means[n] for n in range(len(samples))]

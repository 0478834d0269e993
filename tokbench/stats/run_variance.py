"""Chance comes twice: from the users that were sampled, and from the training runs that were made.

A row has few seeds, so what a figure moves from run to run is pooled over the rows of a board:
s^2 = sum_r (S_r - 1) var_r / sum_r (S_r - 1) for rows of S_r runs. A row's mean then carries
s^2 / S_r on top of the sampling of users; a baseline that only counts carries none. Where no row
was run twice, nothing is known of training, and intervals and tests cover users only.

    interval    both half-widths squared and added (MOVER: Zou & Donner 2008, doi 10.1002/sim.3095)
    difference  variance = users + s^2 (1/S_i + 1/S_j); t with Satterthwaite's degrees of freedom

Axes: R rows, S runs of a row, F figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tokbench.schema.run_spec import TRAINED_BASELINES, RunSpec, is_baseline

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Training:
    """What training runs add on one board."""

    variance: Values  # [F], of a single run
    df: int  # degrees of freedom behind it; 0: no row was run twice

    @classmethod
    def pooled(cls, rows: Iterable[Values]) -> Training:
        """From the figures [S, F] of every row that is trained, those of one run included."""
        repeated = [runs for runs in rows if len(runs) > 1]
        if not repeated:
            return cls(np.zeros(1), 0)
        df = sum(len(runs) - 1 for runs in repeated)
        squares = [((runs - runs.mean(axis=0)) ** 2).sum(axis=0) for runs in repeated]
        variance: Values = np.sum(squares, axis=0) / df
        return cls(np.where(variance > ROUNDING, variance, 0.0), df)

    def of_mean(self, specs: Sequence[RunSpec]) -> Values:
        """[F] variance that training adds to the mean of a row's runs."""
        return self.variance / independent_runs(specs) if trained(specs) else 0 * self.variance

    def widened(
        self, value: Values, low: Values, high: Values, added: Values
    ) -> tuple[Values, Values]:
        """The users' interval [low, high] of `value`, [F] each, with `added` variance; 95 %."""
        from scipy.stats import t

        half = t.ppf(0.975, self.df) * np.sqrt(added)
        return value - np.hypot(value - low, half), value + np.hypot(high - value, half)


ROUNDING = 1e-24  # variances below it come from averaging, not from training


def trained(specs: Sequence[RunSpec]) -> bool:
    """Could another seed have given another figure?"""
    generator, tokenizer = specs[0].generator.name, specs[0].tokenizer.name
    return generator in TRAINED_BASELINES or not is_baseline(tokenizer, generator)


def independent_runs(specs: Sequence[RunSpec]) -> int:
    """Runs that share no seed: crossed seeds give as many as their shorter axis.

    Seeds that move along one axis count as they are; the other axis is then held fixed, and what it
    would add is not covered.
    """
    axes = [{spec.tokenizer_seed for spec in specs}, {spec.generator_seed for spec in specs}]
    return min((len(axis) for axis in axes if len(axis) > 1), default=1)


def t_test(difference: Values, users: Values, training: Values, df: int) -> Values:
    """Two-sided p of `difference`, with its variance from users and from training runs.

    Satterthwaite: the users' part is taken as known, so that only training limits the degrees of
    freedom, df (users + training)^2 / training^2.
    """
    from scipy.stats import t

    total = users + training
    freedom = np.where(training > 0, df * (total / np.where(training > 0, training, 1)) ** 2, 1e9)
    tail = t.sf(np.abs(difference) / np.sqrt(np.where(total > 0, total, 1)), freedom)
    p: Values = np.where(total > 0, 2 * tail, 1.0)
    return p

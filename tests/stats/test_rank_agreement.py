"""The rank correlation of two figures by scipy, and how often its interval holds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from tokbench.stats.rank_agreement import rank_agreement, spearman
from tokbench.stats.sample import Sample, samples

RNG = np.random.default_rng(0)


def test_it_is_spearmans_rho() -> None:
    figures = RNG.integers(0, 4, (50, 12)).astype(float)  # with ties
    expected = [spearmanr(row[:6], row[6:]).statistic for row in figures]
    assert spearman(figures) == pytest.approx(np.nan_to_num(expected))
    assert spearman(np.ones((1, 6))).tolist() == [0.0], "nothing varies"


def test_rows_without_errors_have_a_point() -> None:
    """Every user alike, so nothing varies over users; and more errors, wider."""
    a = [Sample(np.full(50, level)) for level in (0.1, 0.2, 0.3, 0.4)]
    b = [Sample(np.full(50, level)) for level in (9.0, 7.0, 8.0, 6.0)]
    rho, bounds = rank_agreement(a, b)
    assert [rho, *bounds] == pytest.approx([-0.8] * 3)
    noisy = [Sample(row.users + RNG.normal(0, 6.0, 50)) for row in b]
    rho, (low, high) = rank_agreement(a, noisy)
    assert low <= rho <= high
    assert high - low > 0.3


def test_the_interval_holds() -> None:
    """Six rows of which the order in one figure is not that in the other, runs that vary."""
    rng = np.random.default_rng(1)
    recall = np.array([0.05, 0.055, 0.09, 0.11, 0.13, 0.135])  # two pairs an error apart
    bits = np.array([10.0, 9.0, 9.5, 8.0, 8.5, 7.0])
    true = spearmanr(recall, bits).statistic
    held = 0
    for _ in range(100):
        users = rng.normal(size=400)  # what users share
        a, b = (
            samples(
                [mean + spread * (users + rng.normal(size=(3, 400)) + rng.normal(size=(3, 1)) / 40)
                 for mean in means],
                ["x"] * 6, [3] * 6,
            )
            for means, spread in ((recall, 0.1), (bits, 2.0))
        )  # fmt: skip
        low, high = rank_agreement(a, b, resamples=200)[1]
        held += low - 1e-9 <= true <= high + 1e-9
    assert held >= 90

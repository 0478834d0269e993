"""One estimate: interval and p agree, and in their limits they are the textbook's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tokbench.stats.estimate import KNOWN, Estimate, mean, p_value, quantile, satterthwaite


def test_users_alone_are_normal_and_runs_alone_are_students() -> None:
    users = Estimate(0.3, 0.01, KNOWN, 0.0, 5)
    assert users.p == pytest.approx(2 * stats.norm.sf(3.0))
    runs = Estimate(0.3, 0.0, KNOWN, 0.01, 5)
    assert runs.p == pytest.approx(2 * stats.t.sf(3.0, 5))
    half = stats.t.ppf(0.995, 5) * 0.1
    assert runs.interval(0.99) == pytest.approx((0.3 - half, 0.3 + half))


def test_cochrans_quantile_by_hand() -> None:
    found = quantile(0.01, 1.0, 30, 3.0, 4)
    assert float(found) == pytest.approx(
        0.25 * stats.t.isf(0.005, 30) + 0.75 * stats.t.isf(0.005, 4)
    )


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_the_interval_ends_at_zero_where_p_is_its_level(level: float) -> None:
    for share, df in ((0.0, 3), (0.4, 2), (0.9, 7), (1.0, 4)):
        one = Estimate(0.0, 1 - share, 12, share, df)
        edge = one.interval(level)[1]
        assert replace(one, value=edge).p == pytest.approx(1 - level, rel=1e-6)
        assert replace(one, value=-edge).p == pytest.approx(1 - level, rel=1e-6)


def test_edges() -> None:
    assert Estimate(0.0, 0.0, KNOWN, 0.0, KNOWN).p == 1.0
    assert Estimate(0.0, 1.0, KNOWN, 0.0, KNOWN).p == 1.0
    assert 0 < Estimate(1.0, 1e-9, KNOWN, 0.0, KNOWN).p <= 1e-14
    assert (p_value([0.0, 2.0], 1.0, KNOWN, [0.0, 1.0], 3) > 0).all()
    unknown = Estimate(9.0, 1.0, KNOWN, 0.0, KNOWN, covers_runs=False)
    assert unknown.different is None, "no claim"
    assert replace(unknown, covers_runs=True).different is True


def test_satterthwaite_is_welchs() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 4), rng.normal(0, 3, 9)
    found = satterthwaite([a.var(ddof=1) / 4, b.var(ddof=1) / 9], [3, 8])
    assert float(found) == pytest.approx(stats.ttest_ind(a, b, equal_var=False).df)
    assert float(satterthwaite([0.0, 0.0], [3, 4])) == KNOWN


def test_the_mean_of_independent_estimates() -> None:
    """Drawn again and again: two exact means and a doubtful one; 95 % of intervals hold."""
    rng = np.random.default_rng(1)
    held = []
    for _ in range(4000):
        s2 = 0.5 * rng.chisquare(4) / 4
        values = rng.normal([1.0, 2.0, 6.0], np.sqrt([0.2, 0.1, 0.6]))
        found = mean([
            Estimate(values[0], 0.2, KNOWN, 0.0, KNOWN),
            Estimate(values[1], 0.1, KNOWN, 0.0, KNOWN),
            Estimate(values[2], 0.1, KNOWN, s2, 4),
        ])  # fmt: skip
        low, high = found.interval()
        held.append(low <= 3.0 <= high)
    assert np.mean(held) == pytest.approx(0.955, abs=0.015)
    one = Estimate(1.0, 1.0, 9, 2.0, 4)
    assert mean([one]).users_df == pytest.approx(9)
    assert mean([one]).p == pytest.approx(one.p)
    assert mean([one, replace(one, covers_runs=False)]).covers_runs is False

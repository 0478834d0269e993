"""Bootstrap intervals against exact distributions, and by how often they cover the truth."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import stats
from scipy.stats import binom, norm

from tokbench.errors import ConfigError
from tokbench.stats.bootstrap import bootstrap, bootstrap_means


@pytest.mark.parametrize(("hits", "users"), [(12, 400), (100, 400), (399, 400)])
def test_hits_and_misses_against_the_binomial_law(hits: int, users: int) -> None:
    """Drawing users with replacement from `hits` ones makes the mean exactly binomial."""
    low, high = bootstrap(np.arange(users) < hits, resamples=20_000)
    exact = binom(users, hits / users)
    assert float(low) * users == pytest.approx(exact.ppf(0.025), abs=1)
    assert float(high) * users == pytest.approx(exact.ppf(0.975), abs=1)


def test_it_is_the_bootstrap_of_scipy() -> None:
    """The same draws, so the same bounds but for rounding."""
    values = np.random.default_rng(7).random((300, 3)) ** 2
    theirs = stats.bootstrap(
        (values,), np.mean, axis=0, vectorized=True, method="percentile", n_resamples=500,
        batch=500, rng=np.random.default_rng(4),
    ).confidence_interval  # fmt: skip
    low, high = bootstrap(values, resamples=500, seed=4)
    assert low == pytest.approx(theirs.low, rel=1e-12)
    assert high == pytest.approx(theirs.high, rel=1e-12)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_many_users_against_the_normal_law(level: float) -> None:
    values = np.random.default_rng(0).gamma(0.5, size=3_000)
    low, high = bootstrap(values, level=level, resamples=10_000)
    half = float(norm.ppf((1 + level) / 2)) * values.std() / np.sqrt(len(values))
    assert float(low) == pytest.approx(values.mean() - half, abs=half * 0.1)
    assert float(high) == pytest.approx(values.mean() + half, abs=half * 0.1)


def test_about_95_in_100_intervals_cover_the_truth() -> None:
    """Each column is another sample of 200 users, with the many zeros that NDCG has."""
    rng = np.random.default_rng(1)
    samples = rng.random((200, 400)) * (rng.random((200, 400)) < 0.2)
    low, high = bootstrap(samples)
    covered = ((low <= 0.1) & (high >= 0.1)).mean()  # 0.2 of the users earn 0.5 on average
    assert 0.91 < covered < 0.98


def test_a_column_has_the_same_interval_alone_and_in_company() -> None:
    values = np.random.default_rng(2).random((50, 7))
    together = bootstrap(values)
    for column in range(7):
        for alone, bounds in zip(bootstrap(values[:, column]), together, strict=True):
            assert float(alone) == pytest.approx(bounds[column], rel=1e-12)


def test_the_seed_alone_decides() -> None:
    values = np.random.default_rng(3).random(100)
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1)
    assert bootstrap(values, seed=1) != bootstrap(values, seed=2)


def test_differences_of_resampled_columns_are_paired() -> None:
    a, b = np.random.default_rng(3).random((2, 300))
    means = bootstrap_means(np.stack([a, b, a + 1], axis=1), resamples=500)
    assert means.shape == (500, 3)
    low, high = np.percentile(means[:, 0] - means[:, 1], [2.5, 97.5])
    assert np.array([low, high]) == pytest.approx(np.array(bootstrap(a - b, resamples=500)))
    assert means[:, 2] == pytest.approx(means[:, 0] + 1), "the same users in every column"
    assert bootstrap_means(np.array([[0.25, 1.0]])).tolist() == [[0.25, 1.0]] * 2000


def test_values_that_do_not_vary_have_an_interval_of_no_width() -> None:
    for values in (np.zeros(10), np.array([0.25])):
        low, high = bootstrap(values)
        assert float(low) == float(high) == values[0]
    low, high = bootstrap(np.array([[0.25, 1.0]]))
    assert low.tolist() == high.tolist() == [0.25, 1.0]


def test_wrong_arguments_name_what_is_allowed() -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        bootstrap(np.ones(5), level=95)
    with pytest.raises(ConfigError, match="at least 1"):
        bootstrap(np.ones(5), resamples=0)


def test_eight_figures_of_5000_users_take_about_a_second() -> None:
    values = np.random.default_rng(4).random((5_000, 8))
    bootstrap(values[:10])  # scipy is loaded now
    started = time.perf_counter()
    bootstrap(values)
    assert time.perf_counter() - started < 3  # measured: 0.3 s

"""Rows: variance components against brute force, intervals against scipy and by coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tokbench.stats.estimate import KNOWN
from tokbench.stats.sample import RunVariance, Sample, independent_runs, pooled, samples


def draw(rng: np.random.Generator, runs: int, users: int = 200) -> np.ndarray:
    """[runs, users] of a normal law: users 1.0, flips 2.0, a run's own effect 0.3."""
    lasting, own = rng.normal(0, 1.0, users), rng.normal(0, 0.3, (runs, 1))
    return lasting + own + rng.normal(0, 2.0, (runs, users))


def test_the_variance_of_a_mean_is_recovered() -> None:
    """Over 3,000 rows: what means vary in truth, and what the model says they do, on average."""
    rng = np.random.default_rng(0)
    means, said, twice = [], [], []
    for _ in range(3000):
        row = draw(rng, 3)
        (one,) = samples([row], ["x"], [3])
        means.append(one.mean)
        said.append(one.estimate.users + one.estimate.runs)
        twice.append(row.mean(axis=0).var(ddof=1) / 200 + one.variance.total / 3)
    truth = 1.0 / 200 + 4.0 / 600 + 0.09 / 3
    assert np.var(means) == pytest.approx(truth, rel=0.06)
    assert np.mean(said) == pytest.approx(truth, rel=0.03)
    assert np.mean(twice) > 1.12 * truth, "the users' flips counted twice"


def test_it_is_the_two_way_analysis_of_variance() -> None:
    """Mean squares by hand: run effect (MS_run - MS_rest) / Q."""
    row = draw(np.random.default_rng(1), 4, 50)
    rest = row - row.mean(axis=1, keepdims=True) - row.mean(axis=0) + row.mean()
    ms_rest = (rest**2).sum() / (3 * 49)
    ms_run = 50 * row.mean(axis=1).var(ddof=1)
    found = pooled([(row, 4, 1)])
    assert found.df == 3
    assert (found.total - found.flips) * 50 / 49 == pytest.approx((ms_run - ms_rest) / 50)
    assert found.sd**2 == pytest.approx(row.mean(axis=1).var(ddof=1))
    assert found.net_sd == pytest.approx(np.sqrt(max(0, found.total - found.flips)))


def test_families_are_pooled_by_their_degrees_of_freedom() -> None:
    rows = [np.array([[1.0], [3.0]]), np.array([[5.0], [5.0], [8.0]]), np.array([[100.0]])]
    found = pooled([(row, len(row), 1) for row in rows])
    assert found.total == pytest.approx((2.0 + 6.0) / 3)
    assert found.df == 3
    assert pooled([(rows[2], 1, 1)]) == RunVariance()
    assert pooled([(np.array([[0.1 + 0.2], [0.3]]), 2, 1)]).total == 0.0, "rounding"
    a, b, single, alone, counts = samples(
        [*rows, np.array([[4.0]]), np.array([[4.0]])], ["x", "x", "x", "y", None], [2, 3, 1, 1, 1]
    )
    assert a.variance == b.variance == single.variance == found
    assert single.of_runs == pytest.approx(found.total)
    assert b.of_runs == pytest.approx(found.total / 3)
    assert [one.covers_runs for one in (a, single, alone, counts)] == [True, True, False, True]
    assert counts.runs == 0 and counts.of_runs == alone.of_runs == 0.0


def test_crossed_seeds_are_scaled_to_independent_runs() -> None:
    """Two by two cells of two seeds' effects and flips: the mean's variance comes out, where that
    of four independent runs would be far too small."""
    rng = np.random.default_rng(2)
    means, said = [], []
    for _ in range(3000):
        effects = rng.normal(0, 1, (2, 1)) + rng.normal(0, 1, (1, 2))
        row = effects.reshape(4, 1) + rng.normal(0, 3, (4, 30))
        (one,) = samples([row], ["x"], [2])
        means.append(one.mean)
        said.append(one.estimate.users + one.estimate.runs)
    assert np.var(means) == pytest.approx(1.0 + 9 / 120, rel=0.1)
    assert np.mean(said) == pytest.approx(1.0 + 9 / 120, rel=0.1)


def test_runs_that_share_a_seed_are_not_independent() -> None:
    assert independent_runs([(0, 0), (1, 1), (2, 2)]) == 3
    assert independent_runs([(t, g) for t in range(3) for g in range(2)]) == 2
    assert independent_runs([(0, 0), (0, 1), (0, 2)]) == 3
    assert independent_runs([(4, 4)]) == 1


@pytest.mark.parametrize(("hits", "users"), [(0, 500), (3, 4905), (40, 500), (500, 500)])
def test_hits_over_users_have_wilsons_interval(hits: int, users: int) -> None:
    row = (np.arange(users) < hits).astype(float)
    expected = stats.binomtest(hits, users).proportion_ci(method="wilson")
    assert Sample(row).interval() == pytest.approx((expected.low, expected.high), abs=1e-4)


@pytest.mark.parametrize("graded", [False, True])
def test_intervals_hold_with_three_hits_expected(graded: bool) -> None:
    """4,905 users and a rate of .0006, as popularity has."""
    rng = np.random.default_rng(3)
    gains = 1 / np.log2(np.arange(2, 12)) if graded else np.ones(1)
    held = []
    for _ in range(1500):
        row = np.zeros(4905)
        hits = rng.binomial(4905, 0.0006)
        row[:hits] = rng.choice(gains, hits)
        low, high = Sample(row).interval()
        held.append(low <= 0.0006 * gains.mean() <= high)
    assert 0.93 < np.mean(held) < 0.985


def test_a_variance_seen_on_few_users_has_few_degrees_of_freedom() -> None:
    few = Sample(np.r_[np.ones(4), np.zeros(4000)]).estimate
    assert few.users_df == pytest.approx(8, rel=0.01)
    assert Sample(np.random.default_rng(0).normal(size=100_000)).estimate.users_df == KNOWN
    assert Sample(np.full(9, 0.25)).estimate.users == 0.0


def test_twins_count_as_one_row() -> None:
    """Two rows whose runs are the same say no more of runs than one does."""
    rng = np.random.default_rng(3)
    row, other = draw(rng, 3), draw(rng, 4)
    (alone, beside) = samples([row, other], ["x", "x"], [3, 4])
    twice = samples([row, row, other], ["x"] * 3, [3, 3, 4], [2, 2, 1])
    assert twice[0].variance.df == alone.variance.df == 5
    assert twice[0].variance.total == pytest.approx(alone.variance.total)
    assert twice[2].variance.flips == pytest.approx(beside.variance.flips)
    assert samples([row, row, other], ["x"] * 3, [3, 3, 4])[0].variance.df == 7

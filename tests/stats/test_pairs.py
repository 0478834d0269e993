"""Matrix products against loops, Fieller's bounds against a search, few users by enumeration."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from tokbench.stats.pairs import all_pairs, covariance, difference, ratio
from tokbench.stats.sample import Sample, samples


def board(seed: int = 0, users: int = 800) -> list[Sample]:
    """Two families, a row run once, a counting row."""
    rng = np.random.default_rng(seed)
    shared = rng.beta(0.06, 0.7, users)
    outcomes = [(rng.random((s, users)) < shared).astype(float) for s in (3, 3, 1, 3, 1)]
    return samples(outcomes, ["x", "x", "x", "y", None], [3, 3, 1, 3, 1])


def test_pairs_against_loops() -> None:
    rows = board()
    pairs = all_pairs(rows)
    for i, j in itertools.permutations(range(5), 2):
        a, b = rows[i], rows[j]
        d = a.users - b.users
        one = difference(a, b)
        assert one.value == pytest.approx(d.mean())
        expected = max(0.0, d.var(ddof=1) / 800 - a.of_flips - b.of_flips)
        assert one.users == pytest.approx(expected, rel=1e-9)
        kurtosis = np.mean((d - d.mean()) ** 4) / d.var() ** 2
        assert one.users_df == pytest.approx(min(2 * 800 / (kurtosis - 1), 2000), rel=1e-6)
        assert one.runs == pytest.approx(a.of_runs + b.of_runs)
        assert (pairs.low[i, j], pairs.high[i, j]) == pytest.approx(one.interval())
        assert pairs.p[i, j] == pytest.approx(one.p)
        assert (pairs.p[i, j] < 0.05) == (pairs.low[i, j] * pairs.high[i, j] > 0)
    assert (np.diag(pairs.p) == 1).all() and pairs.covers_runs.all()


def test_one_family_has_its_degrees_of_freedom_once() -> None:
    rows = board()
    assert difference(rows[0], rows[2]).runs_df == rows[0].variance.df == 4
    assert difference(rows[0], rows[4]).runs_df == 4
    assert 2 < difference(rows[0], rows[3]).runs_df <= 6


def test_equal_rows_are_not_different() -> None:
    row = np.full(30, 0.1) * 3
    one = difference(Sample(row), Sample(np.full(30, 0.3)))
    assert (one.value, one.p, one.interval()) == (0.0, 1.0, (0.0, 0.0))
    hits = (np.random.default_rng(0).random(500) < 0.1).astype(float)
    assert difference(Sample(hits), Sample(hits.copy())).users == 0.0
    (once,) = samples([hits[None]], ["x"], [1])
    assert difference(once, Sample(hits[::-1].copy())).different is None
    assert not all_pairs([once, Sample(hits)]).covers_runs[0, 1]


@pytest.mark.parametrize("n", [3, 5, 6, 8, 12])
def test_few_differing_users_against_enumeration(n: int) -> None:
    """All n one way: exactly 2 / 2^n; no claim that enumeration is far from making."""
    d = np.r_[np.ones(n), np.zeros(3000)]
    p = difference(Sample(d), Sample(np.zeros(len(d)))).p
    exact = 2 / 2**n
    assert exact / 3 < p or exact > 0.1, "hardly ever smaller"
    assert (p < 0.05) == (n >= 5), "exact: .0625 at five"
    many = np.r_[np.ones(n), -np.ones(n), np.zeros(3000)]
    assert difference(Sample(many), Sample(np.zeros(len(many)))).p == 1.0


def test_the_level_is_kept_where_few_users_differ() -> None:
    rng = np.random.default_rng(4)
    called = []
    for _ in range(1200):
        n = rng.poisson(8)
        d = np.r_[rng.choice([-1.0, 1.0], n), np.zeros(4000 - n)]
        called.append(difference(Sample(d), Sample(np.zeros(4000))).p < 0.05)
    assert 0.02 < np.mean(called) < 0.07


def test_covariance_of_means() -> None:
    rows = board()
    found = covariance(rows)
    assert found[0, 3] == pytest.approx(np.cov(rows[0].users, rows[3].users)[0, 1] / 800)
    assert found[4, 4] == pytest.approx(rows[4].users.var(ddof=1) / 800)
    assert found[2, 2] == pytest.approx(
        rows[2].users.var(ddof=1) / 800 + rows[2].of_runs - rows[2].of_flips
    )


def test_fieller_by_search() -> None:
    """Which t does |a - t b| <= q se hold for? The same as the bounds say."""
    rows = board(5)
    for a, b in itertools.permutations(rows, 2):
        found, one = ratio(a, b), difference(a, b)
        assert found.value == pytest.approx(a.mean / b.mean)
        assert found.shape == "inside" and found.low < found.value < found.high
        assert (found.low > 1 or found.high < 1) == (one.p < 0.05)
        q = one.interval()[1] - one.value
        aa, bb = covariance([a, b]).diagonal()
        ab = (aa + bb - one.error**2) / 2
        for t in np.linspace(0.05, 4, 300):
            near = abs(a.mean - t * b.mean) <= q / one.error * np.sqrt(aa - 2 * t * ab + t**2 * bb)
            assert near == (found.low <= t <= found.high)


def test_ratio_bounds_hold_and_a_small_denominator_is_said() -> None:
    rng = np.random.default_rng(6)
    held = []
    for _ in range(1200):
        b = (rng.random(400) < 0.15).astype(float)
        a = np.where(rng.random(400) < 0.5, b, rng.random(400) < 0.20)
        found = ratio(Sample(a.astype(float)), Sample(b))
        held.append(found.low <= 0.175 / 0.15 <= found.high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)
    rare, common = (Sample((np.arange(900) % n == 0).astype(float)) for n in (450, 10))
    outside = ratio(common, rare)
    assert outside.shape == "outside" and outside.ruled_out_above == np.inf
    assert outside.low < 0 < outside.high < outside.value
    everything = ratio(rare, Sample((np.arange(900) % 450 == 1).astype(float)))
    assert everything.shape == "all" and everything.ruled_out_below == -np.inf


def test_a_large_board_takes_a_moment() -> None:
    rng = np.random.default_rng(7)
    outcomes = [(rng.random((3, 5000)) < 0.07).astype(float) for _ in range(30)]
    start = time.process_time()
    rows = samples(outcomes, ["x"] * 30, [3] * 30)
    all_pairs(rows)
    [row.interval() for row in rows]
    assert time.process_time() - start < 1.5  # measured: 0.15 s

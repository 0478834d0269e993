"""Corrected p against the closed test and against Tukey's law."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from tokbench.stats.family_wise import adjusted, family_wise, holm
from tokbench.stats.groups import group_letters
from tokbench.stats.pairs import all_pairs
from tokbench.stats.sample import Sample, samples


def test_holm_is_the_closed_test_of_bonferroni() -> None:
    """Adjusted p_i: the largest |S| min p(S) over all sets S of hypotheses that hold i."""
    p = np.array([0.01, 0.04, 0.03, 0.005, 0.5])
    sets = [s for n in range(1, 6) for s in itertools.combinations(range(5), n)]
    expected = [max(min(1.0, len(s) * min(p[list(s)])) for s in sets if i in s) for i in range(5)]
    assert holm(p) == pytest.approx(expected)


def test_without_users_the_clearest_pair_has_tukeys_p() -> None:
    """Constant users: rows differ by runs only, and the largest of all differences follows the
    studentized range; Holm's p is far larger."""
    rng = np.random.default_rng(0)
    runs = [rng.normal(mean, 1.0, 3) for mean in (0, 0, 0.5, 1.5, 3.0)]
    rows = samples([np.repeat(row[:, None], 4, axis=1) for row in runs], ["x"] * 5, [3] * 5)
    found, tukey = adjusted(rows, draws=40_000), stats.tukey_hsd(*runs).pvalue
    i, j = np.unravel_index(np.argmin(tukey), tukey.shape)
    assert 0.005 < tukey[i, j] < 0.3
    assert found[i, j] == pytest.approx(tukey[i, j], abs=0.01)
    upper = np.triu_indices(5, 1)
    assert (found[upper] <= tukey[upper] + 0.01).all(), "stepping down is never behind Tukey"
    assert holm(all_pairs(rows).p[upper]).min() > 1.3 * tukey[i, j]
    assert (found >= all_pairs(rows).p).all()


def test_it_steps_down() -> None:
    """Once a far row is away, two rows are compared among fewer."""
    rng = np.random.default_rng(1)
    near = [(rng.random(3000) < rate).astype(float) for rate in (0.1, 0.1, 0.1, 0.115)]
    far = (rng.random(3000) < 0.6).astype(float)
    four = adjusted([Sample(row) for row in near])
    five = adjusted([Sample(row) for row in [*near, far]])
    assert (five[:4, 4] < 0.001).all()
    assert five[:4, :4] == pytest.approx(four, abs=0.02)


def test_two_rows_have_their_own_p_and_order_is_nothing() -> None:
    rng = np.random.default_rng(2)
    rows = [Sample((rng.random(500) < rate).astype(float)) for rate in (0.1, 0.15, 0.15, 0.3)]
    assert adjusted(rows[:2])[0, 1] == all_pairs(rows[:2]).p[0, 1]
    order = [2, 0, 3, 1]
    again = adjusted([rows[i] for i in order])
    assert again == pytest.approx(adjusted(rows)[np.ix_(order, order)], abs=0.02)
    assert adjusted([Sample(np.ones(9))] * 3).min() == 1.0


def test_letters_are_of_rows_whose_runs_are_covered() -> None:
    rng = np.random.default_rng(3)
    outcomes = [(rng.random((s, 3000)) < rate).astype(float)
                for s, rate in ((3, 0.4), (1, 0.39), (1, 0.3), (1, 0.05))]  # fmt: skip
    with_family = samples(outcomes, ["x", "x", "y", None], [3, 1, 1, 1])
    assert group_letters(with_family) == ["a", "a", "", "b"]
    assert group_letters(samples(outcomes[1:], ["x", "y", None], [1, 1, 1])) == ["", "", ""]
    assert group_letters(samples(outcomes[1:], [None] * 3, [1, 1, 1])) == ["a", "b", "c"]
    assert group_letters(with_family[:1]) == ["a"]


def test_intervals_hold_all_differences_of_most_boards_and_agree_with_the_clearest_p() -> None:
    """Equal rows with effects of runs: some interval misses 0 on some 5 % of boards."""
    rng = np.random.default_rng(4)
    missed = []
    for _ in range(200):
        runs = rng.normal(0, 0.01, (6, 3, 1)) + rng.normal(0.5, 0.1, (6, 3, 200))
        p, half = family_wise(samples([*runs], ["x"] * 6, [3] * 6), draws=500)
        value = runs.mean(axis=(1, 2))
        far = np.abs(value[:, None] - value) > half
        missed.append(bool(np.triu(far, 1).any()))
        assert missed[-1] == (p.min() < 0.05) or abs(p.min() - 0.05) < 0.01
    assert 0.01 < np.mean(missed) < 0.1

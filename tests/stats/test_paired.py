"""Paired tests against enumeration and simulation, letters against their definition."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from tokbench.stats.groups import letters, rank_groups
from tokbench.stats.paired import all_pairs, differences, holm, sign_flip


def by_enumeration(d: list[float]) -> float:
    """The share of sign patterns whose sum is at least as far from zero."""
    sums = [sum(s * x for s, x in zip(signs, d, strict=True))
            for signs in itertools.product((1, -1), repeat=len(d))]  # fmt: skip
    return float(np.mean([abs(total) >= abs(sum(d)) - 1e-9 for total in sums]))


@pytest.mark.parametrize("d", [[1, 1, 1], [1, -1, 0.5, 0.5, 1, 1], [0.25, 1, 1, 1, -0.5, 1, 1, 1]])
def test_few_users_are_enumerated(d: list[float]) -> None:
    padded = np.array([*d, *([0.0] * 50)])  # users without a difference change nothing
    assert sign_flip(padded) == pytest.approx(by_enumeration(d))
    pairs = all_pairs(np.stack([padded, np.zeros_like(padded)]))
    assert pairs[0, 1] == pairs[1, 0] == pytest.approx(by_enumeration(d))


def test_many_users_agree_with_drawn_signs() -> None:
    rng = np.random.default_rng(5)
    a, b = (rng.random((2, 400)) < [[0.30], [0.22]]).astype(float)
    d = a - b
    drawn = (rng.choice([-1.0, 1.0], (20_000, 400)) * d).sum(axis=1)
    expected = np.mean(np.abs(drawn) >= abs(d.sum()) - 1e-9)
    assert 0.01 < expected < 0.2, "a case worth testing"
    assert sign_flip(d) == pytest.approx(expected, abs=0.012)
    assert all_pairs(np.stack([a, b]))[0, 1] == pytest.approx(expected, abs=0.02)


def test_equal_rows_cannot_be_told_apart() -> None:
    a = np.full(30, 0.1) * 3
    assert not differences(a, np.full(30, 0.3)).any(), "rounding is no difference"
    assert sign_flip(np.zeros(30)) == 1.0
    assert (all_pairs(np.stack([a, np.full(30, 0.3)])) == 1.0).all()


def test_the_test_keeps_its_level() -> None:
    """Of pairs with equal chances, 5 % are called different: 2,000 draws, +-3 standard errors."""
    rng = np.random.default_rng(0)
    called = [all_pairs((rng.random((2, 600)) < 0.08).astype(float))[0, 1] < 0.05
              for _ in range(2000)]  # fmt: skip
    assert np.mean(called) == pytest.approx(0.05, abs=0.015)


def test_holm_is_the_closed_test_of_bonferroni() -> None:
    """Adjusted p_i: the largest |S| min p(S) over all sets S of hypotheses that hold i."""
    p = np.array([0.01, 0.04, 0.03, 0.005, 0.5])
    sets = [s for n in range(1, 6) for s in itertools.combinations(range(5), n)]
    expected = [max(min(1.0, len(s) * min(p[list(s)])) for s in sets if i in s) for i in range(5)]
    assert holm(p) == pytest.approx(expected)


def test_rows_share_a_letter_exactly_if_they_were_not_told_apart() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        differ = np.triu(rng.random((7, 7)) < rng.random(), 1)
        found = letters(differ)
        for i, j in itertools.combinations(range(7), 2):
            assert bool(set(found[i]) & set(found[j])) == (not differ[i, j])


def test_letters_begin_with_the_best_row() -> None:
    differ = np.zeros((4, 4), dtype=bool)
    differ[0, 2] = differ[0, 3] = differ[1, 3] = True
    assert letters(differ) == ["a", "ab", "bc", "c"]
    assert letters(np.zeros((3, 3), dtype=bool)) == ["a", "a", "a"]


def test_clear_gaps_are_ranked_and_the_order_of_users_is_nothing() -> None:
    rng = np.random.default_rng(2)
    rows = (rng.random((4, 3000)) < [[0.4], [0.39], [0.2], [0.05]]).astype(float)
    assert rank_groups(rows) == ["a", "a", "b", "c"]
    assert rank_groups(rows[:, rng.permutation(3000)]) == ["a", "a", "b", "c"]


def test_a_large_board_is_ranked_in_seconds() -> None:
    rows = (np.random.default_rng(4).random((20, 5000)) < 0.07).astype(float)
    start = time.process_time()
    rank_groups(rows)
    assert time.process_time() - start < 2.0

"""Letters against their definition."""

from __future__ import annotations

import itertools

import numpy as np

from tokbench.stats.groups import letters


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

"""Counts by hand."""

from __future__ import annotations

import numpy as np

from tokbench.nn.cooccurrence import cooccurrences
from tokbench.types import Sequences


def test_pairs_within_the_window_and_never_across_sequences() -> None:
    rows = Sequences.of([[0, 1, 2, 0], [3], [], [2, 1]])
    counts = cooccurrences(rows.offsets, rows.items, 5, window=2).toarray()
    expected = np.zeros((5, 5))
    for one, two in [(0, 1), (0, 2), (1, 2), (1, 0), (2, 0), (2, 1)]:
        expected[one, two] += 1
        expected[two, one] += 1
    assert np.array_equal(counts, expected)


def test_a_window_wider_than_all_sequences_and_no_interaction_at_all() -> None:
    rows = Sequences.of([[0, 1]])
    assert cooccurrences(rows.offsets, rows.items, 2, window=9).toarray().tolist() == [
        [0, 1],
        [1, 0],
    ]
    none = Sequences.of([[], []])
    assert cooccurrences(none.offsets, none.items, 3, window=2).sum() == 0

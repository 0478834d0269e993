"""Validation users are drawn whole."""

from __future__ import annotations

import numpy as np

from tokbench.generators.validation import sample
from tokbench.types import Queries, Sequences

QUERIES = Queries(np.arange(9), Sequences.of([[n] for n in range(9)]), np.arange(9) + 100)


def test_a_sample_keeps_user_history_and_target_together() -> None:
    drawn = sample(QUERIES, 4, np.random.default_rng(0))
    assert len(drawn) == 4
    assert np.all(np.diff(drawn.users) > 0)
    assert np.array_equal(drawn.targets, drawn.users + 100)
    assert [int(drawn.histories[row][0]) for row in range(4)] == drawn.users.tolist()
    assert sample(QUERIES, 0, np.random.default_rng(0)) is QUERIES
    assert sample(QUERIES, 9, np.random.default_rng(0)) is QUERIES

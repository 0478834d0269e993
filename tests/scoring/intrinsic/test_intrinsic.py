"""All measures together: what must not change them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokbench.scoring.intrinsic import measure
from tokbench.types import Floats, SemanticIds, Sequences

RNG = np.random.default_rng(7)
CODES = RNG.integers(0, 4, (80, 3)).astype(np.int32)
X: Floats = RNG.normal(size=(80, 6)).astype(np.float32)
CATEGORIES = [("", "a", "b")[n] for n in RNG.integers(0, 3, 80)]
ROWS = [RNG.integers(0, 80, 6) for _ in range(40)]
PLAIN = measure(SemanticIds(CODES, (5, 5, 5)), X, CATEGORIES, Sequences.of(ROWS))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_relabelling_codes_within_a_level_changes_no_measure(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [rng.permutation(5).astype(np.int32) for _ in range(3)]
    codes = np.stack([names[level][CODES[:, level]] for level in range(3)], axis=1)
    assert measure(SemanticIds(codes, (5, 5, 5)), X, CATEGORIES, Sequences.of(ROWS)) == (
        pytest.approx(PLAIN, abs=1e-6)
    )


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(len(ROWS))))
def test_shuffling_users_changes_nothing(order: list[int]) -> None:
    train = Sequences.of([ROWS[row] for row in order])
    assert measure(SemanticIds(CODES, (5, 5, 5)), X, CATEGORIES, train) == PLAIN


def test_codes_that_only_number_the_items_are_not_measured() -> None:
    ids = SemanticIds(np.arange(80, dtype=np.int32)[:, None], (80,))
    assert measure(ids, X, CATEGORIES, Sequences.of(ROWS)) == {}
    assert measure(SemanticIds(np.arange(80, dtype=np.int32)[:, None] // 2, (40,)), X, None,
                   Sequences.of(ROWS))  # fmt: skip


def test_shares_are_shares() -> None:
    absolute = ("perplexity/", "prefixes/", "branching/", "adjacent/shared")
    for name, value in PLAIN.items():
        assert np.isfinite(value), name
        if not name.startswith(absolute):
            assert 0 <= value <= 1, name

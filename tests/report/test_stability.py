"""Agreement of two code tables by brute force over all renamings."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import rand_score

from tests.pipeline.test_grid import run_tiny
from tokbench.report.stability import agreement, matched, stability
from tokbench.types import SemanticIds

RNG = np.random.default_rng(6)
A = RNG.integers(0, 4, (30, 2)).astype(np.int32)
B = np.where(RNG.random((30, 2)) < 0.6, A, RNG.integers(0, 4, (30, 2))).astype(np.int32)


def test_matching_is_the_best_of_all_renamings() -> None:
    best = max(
        np.mean(A[:, 0] == np.array(names)[B[:, 0]]) for names in itertools.permutations(range(4))
    )
    assert matched(A[:, 0], B[:, 0], 4) == pytest.approx(best)


def test_renamed_codes_agree_fully() -> None:
    names = RNG.permutation(4).astype(np.int32)
    figures = agreement(SemanticIds(A, (4, 4)), SemanticIds(names[A], (4, 4)))
    assert figures["stability/level1"] == figures["stability/level2"] == 1.0
    assert figures["stability/depth2"] == pytest.approx(1.0)
    assert figures["stability/level1/shuffled"] < 0.7


def test_adjusted_rand_index_by_counting_pairs() -> None:
    """(RI - E[RI]) / (1 - E[RI]), the expectation over random relabellings of the items."""
    found = agreement(SemanticIds(A, (4, 4)), SemanticIds(B, (4, 4)))["stability/depth1"]
    rng = np.random.default_rng(0)
    chance = np.mean([rand_score(A[:, 0], rng.permutation(B[:, 0])) for _ in range(1000)])
    expected = (rand_score(A[:, 0], B[:, 0]) - chance) / (1 - chance)
    assert found == pytest.approx(expected, abs=0.015)


def test_stability_needs_two_tokenizer_seeds(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, seeds=(0, 1, 2), baselines=False)
    figures = stability(records)
    assert 0 < figures["stability/level1"] <= 1
    assert abs(figures["stability/depth2"]) < 0.5, "hashed codes of other seeds are unrelated"
    assert stability(records[:1]) == {}
    generators_only = run_tiny(tmp_path / "g", generator_seeds=(0, 1), baselines=False)
    assert stability(generators_only) == {}


def test_levels_of_many_codes_are_not_matched() -> None:
    figures = agreement(SemanticIds(A, (4, 10_000)), SemanticIds(B, (4, 10_000)))
    assert "stability/level1" in figures
    assert "stability/level2" not in figures
    assert "stability/depth2" in figures

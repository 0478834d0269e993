"""Purity and agreement in sequences, counted by hand, and chance by shuffling."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from sklearn.metrics.cluster import contingency_matrix

from tokbench.scoring.intrinsic.agreement import adjacent_agreement, adjacent_pairs, category_purity
from tokbench.types import SemanticIds, Sequences

RNG = np.random.default_rng(4)
IDS = SemanticIds(RNG.integers(0, 3, (50, 3)).astype(np.int32), (3, 3, 3))
CATEGORIES = [("", "pens", "paper", "desks")[n] for n in RNG.integers(0, 4, 50)]
TRAIN = Sequences.of([RNG.integers(0, 50, RNG.integers(0, 9)) for _ in range(30)])


def test_purity_from_the_contingency_table() -> None:
    figures = category_purity(IDS, CATEGORIES)
    known = [n for n in range(50) if CATEGORIES[n]]
    for depth in (1, 2, 3):
        prefixes = [str(IDS.codes[n, :depth]) for n in known]
        table = contingency_matrix([CATEGORIES[n] for n in known], prefixes)
        assert figures[f"purity/depth{depth}"] == table.max(axis=0).sum() / len(known)


def test_shuffled_purity_is_what_other_shuffles_give() -> None:
    figures = category_purity(IDS, CATEGORIES)
    known = [n for n in range(50) if CATEGORIES[n]]
    labels, rng = [CATEGORIES[n] for n in known], np.random.default_rng(99)
    means = []
    for _ in range(300):
        groups: dict[int, Counter[str]] = {}
        for n, label in zip(known, rng.permutation(labels).tolist(), strict=True):
            groups.setdefault(int(IDS.codes[n, 0]), Counter())[label] += 1
        best = sum(counter.most_common(1)[0][1] for counter in groups.values())
        means.append(best / len(known))
    error = 4 * np.std(means) / np.sqrt(10)
    assert figures["purity/depth1/shuffled"] == pytest.approx(np.mean(means), abs=error)


def test_without_categories_there_is_no_purity() -> None:
    assert category_purity(IDS, [""] * 50) == {}


def test_pairs_stay_within_a_row_and_skip_repeats() -> None:
    train = Sequences.of([[1, 2, 2, 3], [], [4], [5, 6]])
    first, second = adjacent_pairs(train)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(1, 2), (2, 3), (5, 6)]


def pairs() -> list[tuple[int, int]]:
    found = []
    for row in range(len(TRAIN)):
        items = TRAIN[row].tolist()
        found += [(a, b) for a, b in itertools.pairwise(items) if a != b]
    return found


def test_agreement_by_hand_and_chance_by_exchanging_partners() -> None:
    figures = adjacent_agreement(IDS, TRAIN)
    codes = IDS.codes.tolist()

    def prefix(a: int, b: int) -> int:
        return next((m for m in range(3) if codes[a][m] != codes[b][m]), 3)

    def equal(a: int, b: int) -> float:
        return float(np.mean([p == q for p, q in zip(codes[a], codes[b], strict=True)]))

    first, second = zip(*pairs(), strict=True)
    for name, measure in (("shared_prefix", prefix), ("equal_levels", equal)):
        found = figures[f"adjacent/{name}"]
        assert found == pytest.approx(np.mean([measure(a, b) for a, b in pairs()]))
        every = [measure(a, b) for a in first for b in second if a != b]  # all exchanges at once
        assert figures[f"adjacent/{name}/shuffled"] == pytest.approx(np.mean(every))


def test_no_pairs_no_figures() -> None:
    assert adjacent_agreement(IDS, Sequences.of([[3], [4, 4]])) == {}

"""Use of codes against scipy, sklearn and simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import mutual_info_score

from tokbench.scoring.intrinsic.usage import gini, prefix_members, random_reference, usage
from tokbench.types import SemanticIds


def some_ids(seed: int = 0, items: int = 200, sizes: tuple[int, ...] = (5, 4, 6)) -> SemanticIds:
    """Codes with uneven frequencies, some codes unused."""
    rng = np.random.default_rng(seed)
    columns = [np.minimum(rng.geometric(0.4, items) - 1, size - 2) for size in sizes]
    return SemanticIds(np.stack(columns, axis=1).astype(np.int32), sizes)


@pytest.mark.parametrize(("items", "sizes"), [(30, (4, 5)), (7, (2, 2)), (100, (64, 64))])
def test_expected_collisions_of_random_codes_by_simulation(items: int, sizes: Any) -> None:
    rng = np.random.default_rng(1)
    duplicates, crowded = [], []
    for _ in range(4000):
        drawn = rng.integers(0, math.prod(sizes), items)
        _, counts = np.unique(drawn, return_counts=True)
        duplicates.append(1 - len(counts) / items)
        crowded.append(counts[counts > 1].sum() / items)
    expected = random_reference(items, sizes)
    for name, values in (("duplicate_rate", duplicates), ("items_in_collision", crowded)):
        error = 5 * float(np.std(values)) / math.sqrt(len(values)) + 1e-12
        assert expected[f"random/{name}"] == pytest.approx(np.mean(values), abs=error)


def test_one_tuple_for_all() -> None:
    assert random_reference(4, (1,)) == {
        "random/duplicate_rate": 0.75,
        "random/items_in_collision": 1.0,
    }


def test_entropy_perplexity_and_use_against_scipy() -> None:
    ids = some_ids()
    figures = usage(ids)
    for level, size in enumerate(ids.level_sizes, 1):
        counts = np.bincount(ids.codes[:, level - 1], minlength=size)
        nats = scipy_entropy(counts)
        assert figures[f"entropy/level{level}"] == pytest.approx(nats / math.log(size))
        assert figures[f"perplexity/level{level}"] == pytest.approx(math.exp(nats))
        assert figures[f"use/level{level}"] == len(set(ids.codes[:, level - 1])) / size


@given(st.lists(st.integers(0, 30), min_size=1, max_size=12).filter(any))
def test_gini_is_half_the_relative_mean_difference(counts: list[int]) -> None:
    """Its definition (Gini 1912): mean |a - b| over all pairs, by twice the mean."""
    differences = [abs(a - b) for a in counts for b in counts]
    expected = np.mean(differences) / (2 * np.mean(counts))
    assert gini(np.array(counts)) == pytest.approx(expected, abs=1e-12)


def test_gini_counts_unused_codes_of_a_level_but_no_empty_tuples() -> None:
    ids = SemanticIds(np.array([[0], [1]], np.int32), (4,))
    figures = usage(ids)
    assert figures["gini/level1"] == pytest.approx(0.5)
    assert figures["gini/tuples"] == 0.0


def test_prefixes_against_counting_and_mutual_information() -> None:
    ids = some_ids()
    figures = usage(ids)
    rows = [tuple(row) for row in ids.codes.tolist()]
    before = 1
    for depth in range(1, ids.levels + 1):
        distinct = len({row[:depth] for row in rows})
        assert figures[f"prefixes/depth{depth}"] == distinct
        assert figures[f"branching/depth{depth}"] == distinct / before
        before = distinct
        column = ids.codes[:, depth - 1]
        prefix = [hash(row[: depth - 1]) for row in rows]
        # H(c | prefix) = H(c) - I(c; prefix)
        nats = scipy_entropy(np.bincount(column)) - mutual_info_score(column, prefix)
        expected = nats / math.log(ids.level_sizes[depth - 1])
        assert figures[f"conditional_entropy/level{depth}"] == pytest.approx(expected)


def test_items_share_a_prefix_number_exactly_if_they_share_the_prefix() -> None:
    ids = some_ids(items=40)
    for depth, members in enumerate(prefix_members(ids), 1):
        same = (ids.codes[:, None, :depth] == ids.codes[None, :, :depth]).all(axis=2)
        assert np.array_equal(same, members[:, None] == members[None, :])

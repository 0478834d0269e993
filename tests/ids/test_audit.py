"""The audit's figures against counting by hand, scipy, and whole enumerations."""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy as scipy_entropy

from tokbench.api import Runtime
from tokbench.datasets.folder import Folder
from tokbench.errors import DatasetError
from tokbench.ids.audit import (
    Audit,
    audit_table,
    compare_items,
    count_collisions,
    expect_by_chance,
    largest_groups,
    prefix_depths,
    use_of_level,
)
from tokbench.ids.code_table import CodeTable
from tokbench.ids.formats import read_table
from tokbench.types import Dataset, SemanticIds, Sequences

SIZES = (3, 2, 4)
IDS = st.lists(st.tuples(*(st.integers(0, size - 1) for size in SIZES)), min_size=1, max_size=30)
Tuples = list[tuple[int, ...]]


def ids_of(tuples: Tuples) -> SemanticIds:
    return SemanticIds(np.array(tuples), SIZES)


def dataset_of(items: list[str], texts: list[str] | None = None) -> Dataset:
    words = tuple(texts or items)
    titles = tuple(f"title {item}" for item in items)
    return Dataset("shop", tuple(items), words, titles, ("u",), Sequences.of([[0]]))


@settings(deadline=None)
@given(tuples=IDS, texts=st.lists(st.sampled_from("ab"), min_size=30, max_size=30))
def test_collisions_are_counted(tuples: Tuples, texts: list[str]) -> None:
    found = count_collisions(ids_of(tuples), texts[: len(tuples)])
    groups = Counter(tuples)
    shared = [n for n, codes in enumerate(tuples) if groups[codes] > 1]
    assert found.distinct == len(groups)
    assert found.duplicate_rate == pytest.approx(1 - len(groups) / len(tuples))
    assert found.items_in_collision == len(shared)
    assert found.collision_share == pytest.approx(len(shared) / len(tuples))
    assert found.largest_group == max(groups.values())
    assert found.mean_group == pytest.approx(np.mean(list(groups.values())))
    assert found.same_text == sum(
        any(tuples[m] == tuples[n] and texts[m] == texts[n] for m in shared if m != n)
        for n in shared
    )


@pytest.mark.parametrize(("items", "sizes"), [(1, (2, 2)), (2, (3,)), (4, (2, 2)), (3, (1, 1))])
def test_chance_is_the_mean_over_all_assignments(items: int, sizes: tuple[int, ...]) -> None:
    tuples = list(itertools.product(*(range(size) for size in sizes)))
    duplicates, shared = [], []
    for assigned in itertools.product(tuples, repeat=items):
        groups = Counter(assigned)
        duplicates.append(1 - len(groups) / items)
        shared.append(sum(size for size in groups.values() if size > 1))
    found = expect_by_chance(items, sizes)
    assert found.duplicate_rate == pytest.approx(np.mean(duplicates))
    assert found.items_in_collision == pytest.approx(np.mean(shared))
    assert found.collision_share == pytest.approx(np.mean(shared) / items)


def test_chance_keeps_its_digits_where_tuples_are_many() -> None:
    """Pairs of N items over T: about N^2 / T items collide when that is far below 1."""
    found = expect_by_chance(10_000, (256,) * 8)
    assert found.items_in_collision == pytest.approx(10_000**2 / 256.0**8, rel=1e-3)
    assert 0 <= found.duplicate_rate < 1e-9
    assert expect_by_chance(12_101, (64, 64, 64)).items_in_collision == pytest.approx(
        12_101 * (1 - (1 - 64.0**-3) ** 12_100)
    )


@settings(deadline=None)
@given(tuples=IDS, level=st.integers(0, 2))
def test_use_of_a_level_is_counted(tuples: Tuples, level: int) -> None:
    found = use_of_level(ids_of(tuples), level)
    counts = np.array([sum(codes[level] == k for codes in tuples) for k in range(SIZES[level])])
    assert (found.size, found.used) == (SIZES[level], int((counts > 0).sum()))
    assert found.dead == int((counts == 0).sum())
    assert found.use == pytest.approx((counts > 0).mean())
    assert found.entropy == pytest.approx(scipy_entropy(counts), abs=1e-12)
    assert found.normalized_entropy == pytest.approx(
        scipy_entropy(counts, base=SIZES[level]), abs=1e-12
    )
    assert found.perplexity == pytest.approx(np.exp(scipy_entropy(counts)))
    assert found.gini == pytest.approx(gini_by_pairs(counts), abs=1e-12)
    assert found.top_share == pytest.approx(counts.max() / len(tuples))


def gini_by_pairs(counts: Any) -> float:
    """Half the relative mean absolute difference: another definition of the same index."""
    x = np.asarray(counts, dtype=float)
    return float(np.abs(x[:, None] - x[None, :]).mean() / (2 * x.mean()))


@settings(deadline=None)
@given(tuples=IDS)
def test_prefixes_are_counted(tuples: Tuples) -> None:
    for row in prefix_depths(ids_of(tuples)):
        children: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for codes in tuples:
            children[codes[: row.depth - 1]][codes[row.depth - 1]] += 1
        nodes = [size for counts in children.values() for size in counts.values()]
        assert row.prefixes == len(nodes)
        assert row.branching == pytest.approx(np.mean([len(c) for c in children.values()]))
        assert row.largest == max(nodes)
        within = [
            counts.total() / len(tuples) * scipy_entropy(list(counts.values()))
            for counts in children.values()
        ]
        assert row.conditional_entropy == pytest.approx(sum(within), abs=1e-9)


@settings(deadline=None)
@given(tuples=IDS, most=st.integers(0, 4))
def test_the_largest_groups_come_first(tuples: Tuples, most: int) -> None:
    groups = Counter(tuples)
    crowded = sorted((c for c in groups if groups[c] > 1), key=lambda c: (-groups[c], c))
    expected = [(c, [n for n, t in enumerate(tuples) if t == c]) for c in crowded[:most]]
    assert largest_groups(ids_of(tuples), most) == expected


def test_items_are_compared_in_order() -> None:
    found = compare_items(["b", "z", "a", "y"], ["a", "b", "d", "c"])
    assert (found.items, found.listed) == (4, 4)
    assert found.missing == ("d", "c")
    assert found.unknown == ("z", "y")


def test_the_audit_is_over_the_items_of_the_dataset() -> None:
    """Rows of other items neither collide nor use codes; titles follow the items."""
    table = CodeTable(
        ("c", "ghost", "a", "b"), SemanticIds(np.array([[1, 2], [1, 2], [0, 0], [1, 2]]), (2, 3))
    )
    found = audit_table(table, dataset_of(["d", "a", "b", "c"], ["y", "x", "same", "same"]))
    assert found.coverage.missing == ("d",)
    assert found.coverage.unknown == ("ghost",)
    (group,) = found.groups
    assert group.codes == (1, 2)
    assert group.item_ids == ("b", "c")
    assert group.titles == ("title b", "title c")
    assert found.collisions.same_text == 2
    assert found.collisions.duplicate_rate == pytest.approx(1 / 3)
    assert [level.dead for level in found.levels] == [0, 1]
    assert found.collisions.chance == expect_by_chance(3, (2, 3))


def test_a_table_of_another_dataset_is_an_error() -> None:
    table = CodeTable(("x",), SemanticIds(np.zeros((1, 1), np.int32), (1,)))
    with pytest.raises(DatasetError, match=r"none of the 1 items of 'shop'.*'x'.*'a'"):
        audit_table(table, dataset_of(["a"]))


def published(folder: str, file: str) -> Audit:
    for root in os.environ.get("TOKBENCH_DATA", "").split(os.pathsep):
        path = Path(root) / folder
        if root and (path / "published_ids" / file).is_file():
            dataset = Folder.of(path=str(path)).load(runtime=Runtime())
            return audit_table(read_table(path / "published_ids" / file), dataset)
    pytest.skip(f"TOKBENCH_DATA has no {folder}")


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "file", "items", "prefixes"),
    [
        ("office-5core", "apao-rq-kmeans.json", 2_420, {3: 1_780, 4: 2_415}),
        ("amazon-beauty-5core", "apao-rq-kmeans.json", 12_101, {4: 12_089}),
        ("amazon-office-2018", "minionerec.json", 3_459, {3: 3_444}),
    ],
)
def test_published_tables_have_the_counts_of_their_readme(
    folder: str, file: str, items: int, prefixes: dict[int, int]
) -> None:
    found = published(folder, file)
    assert (found.coverage.items, found.coverage.listed) == (items, items)
    assert found.coverage.missing == found.coverage.unknown == ()
    assert {row.depth: row.prefixes for row in found.prefixes}.items() >= prefixes.items()
    assert found.collisions.distinct == found.prefixes[-1].prefixes
    nats = sum(row.conditional_entropy for row in found.prefixes)
    assert nats <= math.log(items), "a tuple tells no more than which item"

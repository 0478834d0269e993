"""Category prefix: categories are never mixed below their prefix, and tuples are unique."""

from __future__ import annotations

import numpy as np
import pytest

from tokbench import Catalog, Runtime, SemanticIds
from tokbench.errors import ConfigError
from tokbench.testing import assert_conforms
from tokbench_category_prefix import CategoryPrefix, running


def catalog_of(sizes: list[int], width: int = 8) -> Catalog:
    """A catalogue with so many items of each category, shuffled; embeddings lie by category."""
    chance = np.random.default_rng(0)
    category = chance.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = 5 * chance.normal(size=(len(sizes), width))
    points = centres[category] + chance.normal(size=(len(category), width))
    ids = tuple(f"item-{n}" for n in range(len(category)))
    names = tuple(f"kind {c}" for c in category)
    return Catalog(ids, ids, points.astype(np.float32), names)


def coded(catalog: Catalog, seed: int = 0, **options: object) -> SemanticIds:
    return CategoryPrefix.of(**options).tokenize(catalog, seed=seed, runtime=Runtime())


def categories_by_prefix(catalog: Catalog, ids: SemanticIds, depth: int) -> list[set[str]]:
    assert catalog.categories is not None
    found: dict[tuple[int, ...], set[str]] = {}
    for name, codes in zip(catalog.categories, ids.codes[:, :depth].tolist(), strict=True):
        found.setdefault(tuple(codes), set()).add(name)
    return list(found.values())


def test_the_conformance_kit() -> None:
    assert_conforms(CategoryPrefix)
    assert_conforms(CategoryPrefix, within="kmeans")


def test_a_case_worked_by_hand() -> None:
    """Three categories, two codes: the groups hold 2 and 1, and blocks are of two slots."""
    ids = tuple("abcdef")
    points = np.array([[0, 0], [0, 0], [0, 0], [0, 1], [9, 9], [9, 9]], np.float32)
    catalog = Catalog(ids, ids, points, ("x", "x", "x", "y", "z", "z"))
    codes = coded(catalog, codebook_size=2, levels=4).codes
    assert len({tuple(row) for row in codes[:4, :1]}) == 1, "x and y are alike: one group"
    assert codes[4, 0] != codes[0, 0]
    block = {tuple(row) for row in codes[:3, :2]}
    assert block == {(codes[0, 0], 0)}, "x fits into one block of four"
    assert codes[3].tolist() == [codes[0, 0], 1, 0, 0], "y starts the next"
    below = sorted(codes[:3, 2:].tolist())
    assert below == [[0, 0], [0, 1], [1, 0]], "numbers in base K"


@pytest.mark.parametrize("within", ["enumerate", "kmeans"])
def test_few_categories_own_their_first_code_and_every_tuple_is_unique(within: str) -> None:
    catalog = catalog_of([1, 70, 200, 9])
    ids = coded(catalog, within=within)
    assert len(ids.groups()[0]) == len(catalog)
    assert all(len(names) == 1 for names in categories_by_prefix(catalog, ids, 1))
    assert len(np.unique(ids.codes[:, 0])) == 4


@pytest.mark.parametrize("within", ["enumerate", "kmeans"])
def test_more_categories_than_codes_are_grouped_by_likeness_and_told_apart_below(
    within: str,
) -> None:
    catalog = catalog_of([5] * 20 + [30])
    ids = coded(catalog, codebook_size=8, within=within)
    assert ids.level_sizes == (8, 8, 8)
    assert all(len(names) == 1 for names in categories_by_prefix(catalog, ids, 2))
    firsts = [np.unique(ids.codes[np.array(catalog.categories) == f"kind {c}", 0]).size
              for c in range(21)]  # fmt: skip
    assert firsts == [1] * 21, "a category is in one group"
    assert len(ids.groups()[0]) == len(catalog)


def test_enumerating_tells_nothing_of_the_embedding() -> None:
    """The codes of a category are those of any other embeddings, and the seed orders them."""
    catalog = catalog_of([40, 60])
    other = Catalog(
        catalog.item_ids, catalog.texts, catalog.embeddings[::-1].copy(), catalog.categories
    )
    assert np.array_equal(coded(catalog).codes, coded(other).codes)
    assert not np.array_equal(coded(catalog).codes, coded(catalog, seed=1).codes)


def test_clusters_inside_a_category_follow_the_embeddings() -> None:
    ids = tuple(f"item-{n}" for n in range(40))
    side = np.arange(40) % 2
    points = np.column_stack([100.0 * side, np.random.default_rng(0).normal(size=40)])
    catalog = Catalog(ids, ids, points.astype(np.float32), ("one",) * 40)
    codes = coded(catalog, codebook_size=4, levels=4, within="kmeans").codes
    for code in range(4):
        assert len(np.unique(side[codes[:, 1] == code])) == 1
    mixed = coded(catalog, codebook_size=4, levels=4).codes
    assert len(np.unique(side[mixed[:, 1] == 0])) == 2


def test_a_crowded_category_shares_tuples_and_stays_in_range() -> None:
    ids = coded(catalog_of([20, 3]), codebook_size=4, levels=2)  # 4 slots to a group
    assert ids.codes.min() == 0
    assert ids.codes.max() == 3
    assert len(ids.groups()[0]) == 4 + 3


def test_items_without_a_category_share_a_prefix_of_their_own() -> None:
    catalog = Catalog(("a", "b", "c"), ("a", "b", "c"), np.eye(3, dtype=np.float32), ("", "x", ""))
    first = coded(catalog).codes[:, 0]
    assert first[0] == first[2] != first[1]


def test_without_categories_the_error_says_what_to_do() -> None:
    bare = Catalog(("a",), ("a",), np.ones((1, 2), np.float32))
    with pytest.raises(ConfigError, match=r"has no categories.*items\.jsonl"):
        coded(bare)


def test_too_many_categories_are_refused_with_a_way_out() -> None:
    with pytest.raises(ConfigError, match=r"5 categories.*codebook_size=2, 4 at most \(raise it\)"):
        coded(catalog_of([2] * 5), codebook_size=2)


def test_running_numbers() -> None:
    assert running(np.array([3, 1, 3, 3, 1])).tolist() == [0, 0, 1, 2, 1]

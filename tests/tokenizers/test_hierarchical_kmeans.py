"""Paths down a k-means tree: unique, nested, within their bounds, and following the clusters."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from tests.tokenizers.conftest import catalog_of
from tokbench.api import Runtime
from tokbench.errors import ConfigError
from tokbench.tokenizers.hierarchical_kmeans import HierarchicalKMeans
from tokbench.types import Catalog, Codes


def paths(catalog: Catalog, seed: int = 0, **options: object) -> Codes:
    tokenizer = HierarchicalKMeans.of(**options)
    ids = tokenizer.tokenize(catalog, seed=seed, runtime=Runtime())
    assert ids.level_sizes == (tokenizer.config.codebook_size,) * tokenizer.config.levels
    assert ids.codes.min() >= 0
    assert (ids.codes.max(axis=0) < ids.level_sizes).all()
    return ids.codes


def distinct(codes: Codes) -> int:
    return len(np.unique(codes, axis=0))


@pytest.mark.parametrize("balance", [False, True])
@pytest.mark.parametrize("branching", ["full", "even"])
def test_every_item_has_a_path_of_its_own(
    blobs: tuple[Catalog, NDArray[np.int64]], balance: bool, branching: str
) -> None:
    codes = paths(blobs[0], codebook_size=8, balance=balance, branching=branching)
    assert distinct(codes) == 240


@pytest.mark.parametrize("balance", [False, True])
def test_the_first_code_is_the_planted_neighbourhood(
    blobs: tuple[Catalog, NDArray[np.int64]], balance: bool
) -> None:
    catalog, labels = blobs
    codes = paths(catalog, levels=4, codebook_size=6, balance=balance)
    assert adjusted_rand_score(labels, codes[:, 0]) > 0.95


def test_balanced_nodes_differ_by_one_item_at_most(
    blobs: tuple[Catalog, NDArray[np.int64]],
) -> None:
    codes = paths(blobs[0], codebook_size=7, balance=True)
    first = np.bincount(codes[:, 0], minlength=7)
    assert first.max() - first.min() <= 1
    for node in range(7):
        second = np.bincount(codes[codes[:, 0] == node, 1], minlength=7)
        assert second.max() - second.min() <= 1


def test_a_crowd_in_one_place_is_spread_so_that_all_find_a_leaf() -> None:
    rng = np.random.default_rng(0)
    crowd = np.concatenate([np.ones((50, 3)), 10 + rng.normal(size=(10, 3))])
    codes = paths(catalog_of(crowd), codebook_size=4)  # 64 leaves for 60 items
    assert distinct(codes) == 60
    assert np.bincount(codes[:, 0]).max() <= 16
    assert np.unique(codes[:, :2], axis=0, return_counts=True)[1].max() <= 4


def test_even_branching_uses_every_level_of_a_small_catalogue(
    blobs: tuple[Catalog, NDArray[np.int64]],
) -> None:
    full = paths(blobs[0], codebook_size=64, balance=True)
    even = paths(blobs[0], codebook_size=64, balance=True, branching="even")
    assert [len(np.unique(full[:, level])) for level in range(3)] == [64, 4, 1]
    assert [len(np.unique(even[:, level])) for level in range(3)] == [7, 6, 6]


@pytest.mark.parametrize("items", [1, 2, 5])
def test_fewer_items_than_children_are_told_apart_with_fewer_children(items: int) -> None:
    points = np.random.default_rng(0).normal(size=(items, 3))
    for balance in (False, True):
        assert distinct(paths(catalog_of(points), balance=balance)) == items


def test_items_all_alike_get_paths_all_the_same() -> None:
    assert distinct(paths(catalog_of(np.ones((100, 3))), codebook_size=5)) == 100


def test_one_level_only_counts() -> None:
    codes = paths(catalog_of(np.ones((5, 3))), levels=1, codebook_size=8)
    assert codes[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_seeds_repeat_and_differ(blobs: tuple[Catalog, NDArray[np.int64]]) -> None:
    one = paths(blobs[0], seed=1, codebook_size=8)
    assert np.array_equal(one, paths(blobs[0], seed=1, codebook_size=8))
    assert not np.array_equal(one, paths(blobs[0], seed=2, codebook_size=8))


def test_more_items_than_leaves_is_an_error_with_a_way_out() -> None:
    with pytest.raises(ConfigError, match=r"9 items do not fit.*make 8 leaves \(raise either\)"):
        paths(catalog_of(np.ones((9, 2))), levels=3, codebook_size=2)


def test_preset_balanced() -> None:
    assert HierarchicalKMeans.presets["balanced"] == {"balance": True}

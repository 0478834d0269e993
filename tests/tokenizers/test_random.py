"""Random hashing: uniform, a function of id, seed and shape, and without collisions on ask."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from tests.tokenizers.conftest import catalog_of
from tokbench.api import Runtime
from tokbench.errors import ConfigError
from tokbench.tokenizers.random import Random
from tokbench.types import Catalog, Codes


def codes(items: int = 50, seed: int = 0, **options: object) -> Codes:
    ids = Random.of(**options).tokenize(
        catalog_of(np.zeros((items, 2))), seed=seed, runtime=Runtime()
    )
    assert ids.level_sizes == (Random.of(**options).config.codebook_size,) * ids.levels
    return ids.codes


def test_every_level_is_uniform_and_levels_are_independent() -> None:
    drawn = codes(8000, levels=2, codebook_size=8)
    for level in range(2):
        assert chisquare(np.bincount(drawn[:, level], minlength=8)).pvalue > 1e-4
    pairs = np.bincount(drawn[:, 0] * 8 + drawn[:, 1], minlength=64)
    assert chisquare(pairs).pvalue > 1e-4


def test_collisions_are_as_many_as_chance_makes() -> None:
    drawn = codes(1000, levels=2, codebook_size=32)
    expected = 1024 * (1 - (1 - 1 / 1024) ** 1000)  # occupied cells, 1,000 balls in 1,024 cells
    assert len(np.unique(drawn, axis=0)) == pytest.approx(expected, rel=0.05)


def test_an_items_codes_do_not_depend_on_its_neighbours_in_the_catalogue() -> None:
    whole = Catalog(("b", "a", "c"), ("",) * 3, np.zeros((3, 2), np.float32))
    alone = Catalog(("a",), ("",), np.zeros((1, 2), np.float32))
    tokenizer = Random.of()
    many = tokenizer.tokenize(whole, seed=3, runtime=Runtime()).codes
    one = tokenizer.tokenize(alone, seed=3, runtime=Runtime()).codes
    assert np.array_equal(many[1], one[0])


def test_seeds_repeat_and_differ() -> None:
    assert np.array_equal(codes(seed=1), codes(seed=1))
    assert not np.array_equal(codes(seed=1), codes(seed=2))


def test_unique_tuples_fill_the_space_to_the_last() -> None:
    drawn = codes(64, levels=3, codebook_size=4, unique=True)
    assert len(np.unique(drawn, axis=0)) == 64
    plain = codes(64, levels=3, codebook_size=4)
    assert len(np.unique(plain, axis=0)) < 64
    assert np.array_equal(drawn[0], plain[0])  # whoever meets no collision keeps the plain codes


def test_more_items_than_tuples_is_an_error_with_a_way_out() -> None:
    with pytest.raises(ConfigError, match=r"65 items .*codebook_size=4 make 64 \(raise either\)"):
        codes(65, levels=3, codebook_size=4, unique=True)


def test_preset_unique() -> None:
    assert Random.presets["unique"] == {"unique": True}

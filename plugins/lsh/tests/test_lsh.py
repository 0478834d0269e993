"""LSH: bits by hand, the law that gives it its name, seeds, and the kit."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tokbench import Catalog, Runtime
from tokbench.testing import assert_conforms
from tokbench_lsh import Hyperplanes, Lsh


def catalog_of(embeddings: NDArray[np.floating]) -> Catalog:
    ids = tuple(f"item-{n}" for n in range(len(embeddings)))
    return Catalog(ids, ids, embeddings.astype(np.float32))


def test_the_conformance_kit() -> None:
    assert_conforms(Lsh)


@pytest.mark.parametrize("preset", Lsh.presets)
def test_the_conformance_kit_for_presets(preset: str) -> None:
    assert_conforms(Lsh, **Lsh.presets[preset])


def test_bits_of_a_case_worked_by_hand() -> None:
    """Axes as hyperplanes: the signs of the coordinates, the first bit worth 1."""
    axes = np.eye(4).reshape(2, 2, 4)
    items = np.array([[1, 1, 1, 1], [-1, 1, 1, -1], [1, -1, -1, -1], [0, 0, 0, 2]])
    codes = Hyperplanes(axes, np.zeros(4)).encode(items.astype(np.float32))
    assert codes.tolist() == [[3, 3], [2, 1], [1, 0], [0, 2]]


def test_bits_agree_as_often_as_the_angle_says() -> None:
    """P[same side] = 1 - angle / pi (Goemans and Williamson 1995; Charikar 2002)."""
    for angle in (0.2, 1.0, 2.5):
        pair = np.array([[1.0, 0.0], [np.cos(angle), np.sin(angle)]])
        planes = Lsh.of(levels=16, hyperplanes=16)
        same: list[int] = []
        for seed in range(60):
            fitted = planes.fit(catalog_of(pair), seed=seed, runtime=Runtime())
            one, two = fitted.encode(pair.astype(np.float32))
            same.extend(16 - int(difference).bit_count() for difference in one ^ two)
        assert np.mean(same) / 16 == pytest.approx(1 - angle / np.pi, abs=0.015)


def test_the_shape_of_the_paper() -> None:
    """m = 4 codes of h = 8 bits, so as many codes as TIGER's codebooks of 256 (Sec. 4)."""
    points = np.random.default_rng(0).normal(size=(500, 32))
    tokenizer = Lsh.of(**Lsh.presets["paper"])
    ids = tokenizer.tokenize(catalog_of(points), seed=0, runtime=Runtime())
    assert ids.level_sizes == (256,) * 4
    assert all(len(np.unique(column)) > 150 for column in ids.codes.T), "all bits are in use"


def test_levels_do_not_share_hyperplanes() -> None:
    points = np.random.default_rng(0).normal(size=(500, 32))
    codes = Lsh().tokenize(catalog_of(points), seed=0, runtime=Runtime()).codes
    for one in range(3):
        for two in range(one):
            assert np.mean(codes[:, one] == codes[:, two]) < 0.1


def test_centring_spreads_items_that_share_a_mean() -> None:
    points = np.random.default_rng(0).normal(size=(500, 32)) + 5
    plain = Lsh().tokenize(catalog_of(points), seed=0, runtime=Runtime())
    centered = Lsh.of(center=True).tokenize(catalog_of(points), seed=0, runtime=Runtime())
    assert len(centered.groups()[0]) > 2 * len(plain.groups()[0])
    moved = Lsh.of(center=True).tokenize(catalog_of(points + 3), seed=0, runtime=Runtime())
    assert np.mean(moved.codes == centered.codes) > 0.99, "a shift of all items changes nothing"

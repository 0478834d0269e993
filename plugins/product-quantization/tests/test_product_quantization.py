"""PQ and OPQ: parts are independent, the rotation is one and pays, unseen items, and the kit."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from tokbench import Catalog, Runtime
from tokbench.errors import ConfigError
from tokbench.testing import assert_conforms
from tokbench_product_quantization import ProductQuantization, Quantizer


def catalog_of(embeddings: NDArray[np.floating]) -> Catalog:
    ids = tuple(f"item-{n}" for n in range(len(embeddings)))
    return Catalog(ids, ids, embeddings.astype(np.float32))


def fitted(points: NDArray[np.floating], seed: int = 0, **options: object) -> Quantizer:
    return ProductQuantization.of(**options).fit(catalog_of(points), seed=seed, runtime=Runtime())


def error(points: NDArray[np.float64], found: Quantizer) -> float:
    """Mean squared distance to the decoded point, by a loop over the parts."""
    x = (points.astype(np.float32) - found.center) @ found.projection
    codes = found.encode(points.astype(np.float32))
    width = found.books.shape[2]
    total = 0.0
    for part, book in enumerate(found.books):
        piece = x[:, part * width : (part + 1) * width]
        total += float(((piece - book[codes[:, part]]) ** 2).sum(axis=1).mean())
    return total


def test_plain_distortion_is_that_of_faiss(points: NDArray[np.float64]) -> None:
    x = points.astype(np.float32)
    theirs: Any = faiss.ProductQuantizer(12, 3, 4)  # its types are those of the wrapped calls
    theirs.train(x)
    distortion = float(((x - theirs.decode(theirs.compute_codes(x))) ** 2).sum(axis=1).mean())
    assert error(points, fitted(points, rotate=False, bits=4)) == pytest.approx(distortion, rel=0.1)


@pytest.fixture(scope="module")
def points() -> NDArray[np.float64]:
    """Nearly all that differs lies in the first third of the coordinates."""
    chance = np.random.default_rng(0)
    wide: NDArray[np.float64] = chance.normal(size=(1000, 12))
    wide *= [4, 4, 3, 3] + [0.3] * 8
    return wide


@pytest.mark.parametrize("rotate", [False, True])
def test_the_conformance_kit(rotate: bool) -> None:
    assert_conforms(ProductQuantization, rotate=rotate)


def test_codes_of_a_case_worked_by_hand() -> None:
    """Each part takes two values: K = 2 codes of every part say which, whatever the others are."""
    values = np.array([[a, a, b, b] for a in (1, 3) for b in (2, 12)] * 10, float)
    found = fitted(values, rotate=False, levels=2, bits=1)
    assert found.books.shape == (2, 2, 2)
    assert sorted(found.books[0].tolist()) == [[1, 1], [3, 3]]
    assert sorted(found.books[1].tolist()) == [[2, 2], [12, 12]]
    codes = found.encode(values.astype(np.float32))
    assert np.array_equal(codes[:, 0], codes[0, 0] ^ (values[:, 0] != values[0, 0]))
    assert np.array_equal(codes[:, 1], codes[0, 1] ^ (values[:, 2] != values[0, 2]))


def test_a_part_is_quantized_without_looking_at_the_others(points: NDArray[np.float64]) -> None:
    other = points.copy()
    other[:, 8:] = points[::-1, 8:]
    one = fitted(points, rotate=False).encode(points.astype(np.float32))
    two = fitted(other, rotate=False).encode(other.astype(np.float32))
    assert np.array_equal(one[:, :2], two[:, :2])


def test_opq_rotates_and_quantizes_better(points: NDArray[np.float64]) -> None:
    """Ge et al.: where the parts carry unequally much, the rotation lowers the distortion."""
    plain = fitted(points, rotate=False, bits=4)
    rotated = fitted(points, bits=4)
    turn = rotated.projection.astype(np.float64)
    assert turn @ turn.T == pytest.approx(np.eye(12), abs=1e-4)
    assert error(points, rotated) < 0.75 * error(points, plain)


def test_the_rotation_is_that_of_faiss(points: NDArray[np.float64]) -> None:
    """Not its transpose, which balances these parts nearly as well."""
    x = points.astype(np.float32)
    theirs = faiss.OPQMatrix(12, 3)
    inner = faiss.ProductQuantizer(12, 3, 4)
    inner.cp.seed = 0
    theirs.pq = inner
    theirs.train(x)
    assert x @ fitted(points, bits=4).projection == pytest.approx(theirs.apply(x), abs=0.05)


def test_widths_that_do_not_divide_are_filled_up(points: NDArray[np.float64]) -> None:
    for rotate in (False, True):
        found = fitted(points[:, :11], rotate=rotate, levels=4)
        assert found.books.shape == (4, 64, 3)
        assert found.encode(points[:, :11].astype(np.float32)).shape == (1000, 4)


def test_whitening_gives_every_component_unit_variance(points: NDArray[np.float64]) -> None:
    found = fitted(points, rotate=False, pca=6)
    white = (points.astype(np.float32) - found.center) @ found.projection
    assert np.cov(white.T) == pytest.approx(np.eye(6), abs=1e-2)


def test_too_many_components_are_refused_with_a_way_out(points: NDArray[np.float64]) -> None:
    with pytest.raises(ConfigError, match=r"pca=13 .*set tokenizer.pca to 12 or less"):
        fitted(points, pca=13)
    with pytest.raises(ConfigError, match=r"set tokenizer.pca to 9 or less"):
        fitted(points[:10], pca=10)


def test_unseen_items_get_the_codes_of_their_neighbours(points: NDArray[np.float64]) -> None:
    found = fitted(points[:800])
    near = (points[800:] + 1e-5).astype(np.float32)
    assert np.mean(found.encode(near) == found.encode(points[800:].astype(np.float32))) > 0.99


@pytest.mark.parametrize("options", [{"rotate": False}, {"rotate": True}])
def test_it_decodes_to_the_nearest_centroids(
    points: NDArray[np.float64], options: dict[str, Any]
) -> None:
    """A rotation keeps distances, so the error of the parts is that of the embeddings."""
    found = fitted(points, **options)
    decoded = found.decode(found.encode(points.astype(np.float32)))
    assert np.square(points - decoded).sum(axis=1).mean() == pytest.approx(
        error(points, found), rel=1e-4
    )


def test_whitened_embeddings_are_decoded_to_their_own_space(points: NDArray[np.float64]) -> None:
    points = points + 5.0  # far from the origin, so that a centre left out would show
    found = fitted(points, pca=6, bits=8)
    decoded = found.decode(found.encode(points.astype(np.float32)))
    assert np.square(points - decoded).sum() < 0.5 * np.square(points - points.mean(axis=0)).sum()


def test_the_record_is_told_the_decoder(points: NDArray[np.float64]) -> None:
    runtime, tokenizer = Runtime(), ProductQuantization.of(rotate=False)
    codes = tokenizer.tokenize(catalog_of(points), seed=0, runtime=runtime).codes
    fits = fitted(points, rotate=False)
    assert np.array_equal(runtime.kept["decode"](codes), fits.decode(codes))
    assert runtime.kept["parameters"] == 12 + 12 * 12 + 3 * 64 * 4

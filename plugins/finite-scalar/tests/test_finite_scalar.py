"""FSQ: the paper's rounding by hand, its sizes, what training does, and the kit."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from tokbench import Catalog, Runtime
from tokbench.errors import CollapseError
from tokbench.testing import assert_conforms
from tokbench_finite_scalar import FiniteScalar, Trained

SMALL = {"hidden": (32,), "epochs": 1, "minimum_steps": 150, "batch_size": 64}


def catalog_of(embeddings: NDArray[np.floating]) -> Catalog:
    ids = tuple(f"item-{n}" for n in range(len(embeddings)))
    return Catalog(ids, ids, embeddings.astype(np.float32))


@pytest.fixture(scope="module")
def points() -> NDArray[np.float64]:
    """Six neighbourhoods of 40 items, in turn."""
    chance = np.random.default_rng(0)
    centres = 3 * chance.normal(size=(6, 16))
    found: NDArray[np.float64] = centres[np.arange(240) % 6] + 0.5 * chance.normal(size=(240, 16))
    return found


def untrained(width: int = 16, **options: object) -> Trained:
    embeddings = torch.randn(20, width, generator=torch.Generator().manual_seed(0))
    return FiniteScalar.of(**options).untrained(embeddings, torch.Generator().manual_seed(0))


def test_the_conformance_kit() -> None:
    assert_conforms(FiniteScalar, **SMALL)


def test_rounding_is_that_of_the_paper() -> None:
    """round(tanh(z + shift) half - offset), Sec. 3.1 and App. A, in plain Python; the first scalar
    counts ones, the second is worth as much as the first has values."""
    values = (5, 4)
    quantizer = untrained(scalars=values, levels=2).quantizer
    z = np.array([[-3.0, 0.1, 0.4, -0.2], [0.0, 0.0, 2.0, 9.0], [0.6, -0.9, -0.3, 0.5]])
    expected = []
    for row in z:
        tuples = []
        for part in (row[:2], row[2:]):
            code, worth = 0, 1
            for value, count in zip(part, values, strict=True):
                half = (count - 1) * (1 + 1e-3) / 2
                offset = 0.5 if count % 2 == 0 else 0.0
                bounded = math.tanh(value + math.atanh(offset / half)) * half - offset
                code += worth * (round(bounded) + count // 2)
                worth *= count
            tuples.append(code)
        expected.append(tuples)
    _, codes = quantizer(torch.tensor(z, dtype=torch.float32)[:, None])
    assert codes[:, 0].tolist() == expected


def test_the_gradient_passes_through_the_rounding() -> None:
    quantizer = untrained(levels=1).quantizer
    z = torch.zeros(1, 1, 2, requires_grad=True)
    quantizer(z)[0].sum().backward()
    assert z.grad is not None
    assert (z.grad > 0.5).all()


def test_sizes_of_the_paper() -> None:
    """Table 1: 2^8 is approximated by 8 x 6 x 5."""
    tokenizer = FiniteScalar.of(**FiniteScalar.presets["paper"])
    assert tokenizer.codebook_size == 240
    assert FiniteScalar().codebook_size == 64


def test_training_lowers_the_reconstruction_error(points: NDArray[np.float64]) -> None:
    runtime = Runtime()
    FiniteScalar.of(**SMALL | {"minimum_steps": 400}).fit(
        catalog_of(points), seed=0, runtime=runtime
    )
    losses = [row["reconstruction"] for row in runtime.rows]
    assert losses[-1] < 0.3 * losses[0]
    assert losses[-1] < 0.3 * 16, "the variance of standardised inputs, summed over D"


def test_neighbours_share_codes(points: NDArray[np.float64]) -> None:
    """Two items of one neighbourhood agree in far more of their codes than any two."""
    model = FiniteScalar.of(**SMALL | {"scalars": (3, 3)}).fit(
        catalog_of(points), seed=0, runtime=Runtime()
    )
    codes = model.encode(points.astype(np.float32))
    agree = (codes[:, None] == codes[None]).mean(axis=2)
    near = (np.arange(240)[:, None] - np.arange(240)[None]) % 6 == 0
    assert agree[near].mean() > 2 * agree[~near].mean()


def test_a_collapse_is_refused_with_a_way_out(points: NDArray[np.float64]) -> None:
    options = SMALL | {"minimum_steps": 0, "learning_rate": 1e-9, "minimum_distinct": 1.0}
    with pytest.raises(CollapseError, match="minimum_steps"):
        FiniteScalar.of(**options).fit(catalog_of(points), seed=0, runtime=Runtime())


@pytest.mark.parametrize("scalars", [(), (2, 8), (300, 300)])
def test_scalars_that_cannot_be_are_refused(scalars: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match="3 or more values"):
        FiniteScalar.of(scalars=scalars)


def test_the_global_random_state_is_left_alone(points: NDArray[np.float64]) -> None:
    before = torch.get_rng_state()
    FiniteScalar.of(**SMALL).fit(catalog_of(points), seed=0, runtime=Runtime())
    assert torch.equal(before, torch.get_rng_state())


def test_it_decodes_to_what_the_autoencoder_makes_of_the_embedding(
    points: NDArray[np.float64],
) -> None:
    found = FiniteScalar.of(**FiniteScalar.presets["toy"]).fit(
        catalog_of(points), seed=0, runtime=Runtime()
    )
    embeddings = points.astype(np.float32)
    with torch.no_grad():
        expected = found.reconstruct(found.standardize(embeddings)) * found.scale + found.mean
    decoded = found.decode(found.encode(embeddings))
    assert decoded == pytest.approx(expected.numpy(), abs=1e-4)


def test_the_record_is_told_the_decoder(points: NDArray[np.float64]) -> None:
    runtime, tokenizer = Runtime(), FiniteScalar.of(**SMALL)
    codes = tokenizer.tokenize(catalog_of(points), seed=0, runtime=runtime).codes
    fitted = tokenizer.fit(catalog_of(points), seed=0, runtime=Runtime())
    assert np.array_equal(runtime.kept["decode"](codes), fitted.decode(codes))
    assert runtime.kept["parameters"] == (16 * 32 + 32) + (32 * 6 + 6) + (6 * 32 + 32) + 33 * 16

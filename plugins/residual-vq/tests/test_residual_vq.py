"""Residual VQ: nearest codes of residuals, sums for losses, SimVQ, the rotation, and the kit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from tokbench import Catalog, Runtime
from tokbench.nn.kmeans import residual_kmeans, residuals
from tokbench.testing import assert_conforms
from tokbench_residual_vq import ResidualVq, Trained

SMALL = {"epochs": 1, "minimum_steps": 100, "batch_size": 64}


def catalog_of(embeddings: NDArray[np.floating]) -> Catalog:
    ids = tuple(f"item-{n}" for n in range(len(embeddings)))
    return Catalog(ids, ids, embeddings.astype(np.float32))


@pytest.fixture(scope="module")
def points() -> NDArray[np.float32]:
    chance = np.random.default_rng(0)
    centres = chance.normal(size=(10, 8))[np.arange(300) % 10]
    found: NDArray[np.float32] = (centres + 0.4 * chance.normal(size=(300, 8))).astype(np.float32)
    return found


def fitted(points: NDArray[np.float32], **options: object) -> Trained:
    tokenizer = ResidualVq.of(**SMALL | {"codebook_size": 8} | options)
    return tokenizer.fit(catalog_of(points), seed=0, runtime=Runtime())


@pytest.mark.parametrize("preset", ["", "simvq", "rotation"])
def test_the_conformance_kit(preset: str) -> None:
    assert_conforms(ResidualVq, **SMALL, **(ResidualVq.presets[preset] if preset else {}))


def test_codes_name_the_nearest_vector_of_each_residual(points: NDArray[np.float32]) -> None:
    model = fitted(points)
    codes = model.encode(points)
    r = points - points.mean(axis=0)
    for level, book in enumerate(model.quantizer.codebooks.detach().numpy()):
        distances = ((r[:, None] - book[None]) ** 2).sum(axis=2)
        assert np.array_equal(codes[:, level], distances.argmin(axis=1))
        r = r - book[codes[:, level]]


def test_it_quantizes_as_well_as_residual_k_means(points: NDArray[np.float32]) -> None:
    """GRID's finding that the two are near, for the distortion: within 10 %."""
    model = fitted(points, levels=2, minimum_steps=400)
    codes, r = model.encode(points), points - points.mean(axis=0)
    for level, book in enumerate(model.quantizer.codebooks.detach().numpy()):
        r = r - book[codes[:, level]]
    books = residual_kmeans(points - points.mean(axis=0), 8, 3, seed=0)
    plain = residuals(points - points.mean(axis=0), books, 3)[2]
    assert np.square(r).sum() == pytest.approx(np.square(plain).sum(), rel=0.1)


def test_losses_are_sums_over_levels_and_dimensions(points: NDArray[np.float32]) -> None:
    """The library has means: one loss computed in numpy."""
    tokenizer = ResidualVq.of(**SMALL, codebook_size=8)
    torch.manual_seed(0)
    model = tokenizer.untrained(torch.tensor(points))
    r = points - points.mean(axis=0)
    expected = 0.0
    found = float(tokenizer.loss(model, torch.tensor(r)).detach())
    codes = model.encode(points)
    for level, book in enumerate(model.quantizer.codebooks.detach().numpy()):
        r = r - book[codes[:, level]]
        expected += float(np.square(r).sum(axis=1).mean())
    assert found == pytest.approx(expected, rel=1e-4)


def test_simvq_learns_a_map_of_vectors_that_stay(points: NDArray[np.float32]) -> None:
    tokenizer = ResidualVq.of(**SMALL, quantizer="simvq", codebook_size=8)
    torch.manual_seed(0)
    model = tokenizer.untrained(torch.tensor(points))
    layer = model.quantizer.layers[0]
    frozen, before = layer.frozen_codebook.clone(), layer.codebook.detach().clone()
    tokenizer.train(model, torch.tensor(points) - model.center, Runtime())
    assert torch.equal(layer.frozen_codebook, frozen)
    weight = layer.code_transform.weight.detach()
    assert torch.allclose(layer.codebook.detach(), frozen @ weight.T, atol=1e-5)
    assert (layer.codebook - before).norm(dim=1).min() > 1e-3, "all codes moved, used or not"


def test_simvq_starts_with_codes_that_spread_as_the_residuals_do() -> None:
    chance = np.random.default_rng(0)
    mixed = chance.normal(size=(2000, 4)) @ (0.1 * chance.normal(size=(4, 4)))
    torch.manual_seed(0)
    tokenizer = ResidualVq.of(quantizer="simvq", codebook_size=4000, levels=1)
    model = tokenizer.untrained(torch.tensor(mixed.astype(np.float32)))
    spread = np.cov(model.quantizer.layers[0].codebook.detach().numpy().T)
    assert spread == pytest.approx(np.cov(mixed.T), abs=0.1 * float(np.cov(mixed.T).max()))


@pytest.mark.parametrize("rotation", [False, True])
def test_the_gradient_before_the_quantizer(points: NDArray[np.float32], rotation: bool) -> None:
    """dz_hat / dz: the identity for straight-through; for the rotation trick |e|/|z| times a
    rotation that takes z to its code vector e (arXiv 2410.06424, Sec. 4.2)."""
    options = {"levels": 1, "latent_dim": 4, "rotation_trick": rotation}
    quantizer = fitted(points, **options).quantizer.train()
    z = torch.tensor([0.3, -0.5, 0.2, 0.4], requires_grad=True)
    z_hat = quantizer(z[None, None])[0][0, 0]
    rows = [torch.autograd.grad(value, z, retain_graph=True)[0] for value in z_hat]
    jacobian, e, z = torch.stack(rows), z_hat.detach(), z.detach()
    if rotation:
        stretch = float(e.norm() / z.norm())
        assert torch.allclose(jacobian @ z, e, atol=1e-5)
        assert torch.allclose(jacobian.T @ jacobian, stretch**2 * torch.eye(4), atol=1e-4)
    else:
        assert torch.allclose(jacobian, torch.eye(4), atol=1e-6)


def test_a_rotation_that_would_change_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="set latent_dim too"):
        ResidualVq.of(rotation_trick=True)


def test_the_global_random_state_is_left_alone(points: NDArray[np.float32]) -> None:
    before = torch.get_rng_state()
    fitted(points)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("preset", ["", "simvq", "rotation"])
def test_it_decodes_to_what_the_quantizer_makes_of_the_embedding(
    points: NDArray[np.float32], preset: str
) -> None:
    found = fitted(points, **ResidualVq.presets[preset] if preset else {})
    with torch.no_grad():
        z_hat = found.quantizer(found.latents(points)[:, None])[0][:, 0]
        expected = (z_hat if found.up is None else found.up(z_hat)) + found.center
    decoded = found.decode(found.encode(points))
    assert decoded == pytest.approx(expected.numpy(), abs=1e-4)
    assert found.parameters > 0


def test_the_record_is_told_the_decoder(points: NDArray[np.float32]) -> None:
    runtime, tokenizer = Runtime(), ResidualVq.of(**SMALL, codebook_size=8)
    codes = tokenizer.tokenize(catalog_of(points), seed=0, runtime=runtime).codes
    assert np.array_equal(runtime.kept["decode"](codes), fitted(points).decode(codes))
    assert runtime.kept["parameters"] == 3 * 8 * 8

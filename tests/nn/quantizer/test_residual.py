"""Residual quantization against brute force, its inverse pair, and straight-through."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tokbench.nn.quantizer.losses import quantization_loss
from tokbench.nn.quantizer.residual import ResidualQuantizer, straight_through


def quantizer(shared: bool, levels: int = 3, size: int = 8, dim: int = 4) -> ResidualQuantizer:
    q = ResidualQuantizer(levels=levels, codebook_size=size, latent_dim=dim, shared=shared)
    generator = torch.Generator().manual_seed(1)
    q.codebooks.data = torch.randn(q.codebooks.shape, generator=generator)
    return q


def latents(items: int = 50, dim: int = 4) -> Tensor:
    return torch.randn(items, dim, generator=torch.Generator().manual_seed(2))


def book_of(q: ResidualQuantizer, level: int) -> np.ndarray:
    books = q.codebooks.detach().numpy()
    return np.asarray(books[level] if len(books) > 1 else books[0])


@pytest.mark.parametrize("shared", [True, False])
def test_codes_are_the_nearest_of_what_is_left_level_by_level(shared: bool) -> None:
    q, z = quantizer(shared), latents()
    out = q(z)
    assert len(q.codebooks) == (1 if shared else 3)
    for row, vector in enumerate(z.numpy()):
        r = vector
        for level in range(3):
            np.testing.assert_allclose(out.r[row, level].detach(), r, rtol=1e-5, atol=1e-6)
            distances = np.linalg.norm(r[None] - book_of(q, level), axis=1)
            assert out.codes[row, level] == distances.argmin()
            r = r - book_of(q, level)[distances.argmin()]


@pytest.mark.parametrize("shared", [True, False])
def test_codes_and_vectors_are_an_inverse_pair(shared: bool) -> None:
    q, z = quantizer(shared), latents()
    codes = q.vectors_to_codes(z)
    vectors = q.codes_to_vectors(codes)
    torch.testing.assert_close(vectors, q(z).z_hat)
    # A vector that one code makes exactly is coded by it again, and then nothing is left over.
    single = ResidualQuantizer(levels=1, codebook_size=8, latent_dim=4, shared=shared)
    single.codebooks.data = q.codebooks.data[:1]
    every = torch.arange(8)[:, None]
    assert torch.equal(single.vectors_to_codes(single.codes_to_vectors(every)), every)


def test_straight_through_has_the_value_of_one_and_the_gradient_of_the_other() -> None:
    z, z_hat = latents(3).requires_grad_(), latents(3).flip(0).requires_grad_()
    out = straight_through(z, z_hat)
    torch.testing.assert_close(out, z_hat)
    (out * torch.arange(12.0).reshape(3, 4)).sum().backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None
    torch.testing.assert_close(z.grad, torch.arange(12.0).reshape(3, 4))
    assert z_hat.grad is None


def test_the_loss_of_the_reconstruction_does_not_move_the_codebooks() -> None:
    q, z = quantizer(shared=False), latents().requires_grad_()
    q(z).z_hat.square().sum().backward()
    assert q.codebooks.grad is None
    assert z.grad is not None
    assert z.grad.any()


def test_commitment_of_a_deep_level_does_not_move_the_codebooks_before_it() -> None:
    q, z = quantizer(shared=False), latents().requires_grad_()
    out = q(z)
    # only the commitment term of level 3
    (out.r[:, 2] - out.e[:, 2].detach()).square().sum().backward()
    assert q.codebooks.grad is None
    assert z.grad is not None
    assert z.grad.any()


def test_codebook_gradient_is_that_of_equation_3() -> None:
    q, z = quantizer(shared=True), latents()
    out = q(z)
    quantization_loss(out.r, out.e, beta=0.25).backward()  # type: ignore[no-untyped-call]
    expected = np.zeros((8, 4))
    for row in range(len(z)):
        for level in range(3):
            code = out.codes[row, level]
            expected[code] -= 2 * (out.r[row, level] - q.codebooks[0, code]).detach().numpy() / 50
    assert q.codebooks.grad is not None
    np.testing.assert_allclose(q.codebooks.grad[0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shared", [True, False])
def test_read_literally_commitment_moves_the_codebooks_before_it(shared: bool) -> None:
    """r_2 = z - e_1 - e_2, so beta ||r_2 - sg(e_3)||^2 pulls e_1 and e_2 alike: by hand."""
    q, z = quantizer(shared), latents()
    q.stop = False
    out = q(z)
    quantization_loss(out.r, out.e, beta=0.25).backward()  # type: ignore[no-untyped-call]
    expected = np.zeros(tuple(q.codebooks.shape))
    left = np.stack([z.numpy()] * 4)  # left[i] is r_i
    for level in range(3):
        chosen = book_of(q, level)[out.codes[:, level]]
        left[level + 1] = left[level] - chosen
    for level in range(3):
        book = 0 if shared else level
        for row in range(len(z)):
            code = int(out.codes[row, level])
            expected[book, code] -= 2 * left[level + 1][row] / len(z)
            for later in range(level + 1, 3):  # -d r_later / d e_level = 1
                expected[book, code] -= 0.25 * 2 * left[later + 1][row] / len(z)
    assert q.codebooks.grad is not None
    np.testing.assert_allclose(q.codebooks.grad, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(out.codes, quantizer(shared)(z).codes)

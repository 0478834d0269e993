"""Eq. 2, 3 and 4 against a few lines of numpy, and where their gradients go."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch import Tensor

from tokbench.nn.quantizer.losses import (
    SHORTEST,
    contrastive_loss,
    quantization_loss,
    reconstruction_loss,
)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_reconstruction_sums_over_dimensions_and_averages_over_the_batch() -> None:
    x, x_hat = draw(5, 7), draw(5, 7, seed=1)
    expected = np.mean(
        [np.sum((a - b) ** 2) for a, b in zip(x.numpy(), x_hat.numpy(), strict=True)]
    )
    assert reconstruction_loss(x, x_hat).item() == pytest.approx(expected)


def test_quantization_sums_over_levels_and_dimensions() -> None:
    r, e = draw(5, 3, 4), draw(5, 3, 4, seed=1)
    total = 0.0
    for b in range(5):
        for level in range(3):
            distance = float(np.sum((r[b, level].numpy() - e[b, level].numpy()) ** 2))
            total += distance + 0.25 * distance
    assert quantization_loss(r, e, beta=0.25).item() == pytest.approx(total / 5)


def test_codebook_term_moves_only_codes_and_commitment_only_the_encoder() -> None:
    r, e = draw(5, 3, 4).requires_grad_(), draw(5, 3, 4, seed=1).requires_grad_()
    quantization_loss(r, e, beta=0.25).backward()  # type: ignore[no-untyped-call]
    difference = (r - e).detach()
    assert r.grad is not None
    assert e.grad is not None
    torch.testing.assert_close(e.grad, -2 * difference / 5)  # of the first term alone
    torch.testing.assert_close(r.grad, 0.25 * 2 * difference / 5)  # of the second alone


def test_without_commitment_the_encoder_gets_no_gradient() -> None:
    r, e = draw(5, 3, 4).requires_grad_(), draw(5, 3, 4, seed=1).requires_grad_()
    quantization_loss(r, e, beta=0.0).backward()  # type: ignore[no-untyped-call]
    assert r.grad is not None
    assert not r.grad.any()


def info_nce(x: np.ndarray, x_hat: np.ndarray, tau: float, allowed: np.ndarray) -> float:
    """Eq. 4 item by item; `allowed[b, j]`: does j stand in b's denominator?"""
    losses = []
    for b in range(len(x)):
        cosines = np.array([x[b] @ c / np.linalg.norm(x[b]) / np.linalg.norm(c) for c in x_hat])
        losses.append(logsumexp(cosines[allowed[b]] / tau) - cosines[b] / tau)
    return float(np.mean(losses))


def test_contrast_is_cosine_info_nce_with_the_positive_in_the_denominator() -> None:
    x, x_hat = draw(6, 5), 3 * draw(6, 5, seed=1)
    expected = info_nce(x.numpy(), x_hat.numpy(), 0.1, np.ones((6, 6), bool))
    assert contrastive_loss(x, x_hat, 0.1).item() == pytest.approx(expected)


def test_contrast_of_one_item_is_zero_and_of_equal_items_is_log_of_the_batch() -> None:
    assert contrastive_loss(draw(1, 5), draw(1, 5, seed=1), 0.1).item() == 0
    same = torch.ones(8, 5)
    assert contrastive_loss(same, same, 0.1).item() == pytest.approx(np.log(8))


def test_exact_duplicates_are_no_negatives_when_masked() -> None:
    x, x_hat = draw(6, 5), draw(6, 5, seed=1)
    x[4] = x[1]
    allowed = np.ones((6, 6), bool)
    allowed[1, 4] = allowed[4, 1] = False
    expected = info_nce(x.numpy(), x_hat.numpy(), 0.2, allowed)
    assert contrastive_loss(x, x_hat, 0.2, mask_duplicates=True).item() == pytest.approx(expected)


def test_gradients_equal_finite_differences() -> None:
    x, x_hat = draw(4, 3), draw(4, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda c: contrastive_loss(x, c, 0.5), x_hat)
    assert torch.autograd.gradcheck(lambda c: reconstruction_loss(x, c), x_hat)


def test_a_zero_reconstruction_has_cosine_zero_and_a_finite_gradient() -> None:
    """In place of x_hat / ||x_hat||, x_hat / SHORTEST: by hand, row 2 of 4 being zero."""
    x, x_hat = draw(4, 3), draw(4, 3, seed=1)
    x_hat[2] = 0
    x_hat.requires_grad_()
    loss = contrastive_loss(x, x_hat, 0.5)
    loss.backward()  # type: ignore[no-untyped-call]
    unit = x.numpy() / np.linalg.norm(x.numpy(), axis=1, keepdims=True)
    lengths = np.maximum(np.linalg.norm(x_hat.detach().numpy(), axis=1, keepdims=True), SHORTEST)
    logits = unit @ (x_hat.detach().numpy() / lengths).T / 0.5
    assert (logits[:, 2] == 0).all()
    log_p = logits - logsumexp(logits, axis=1, keepdims=True)
    assert loss.item() == pytest.approx(-np.mean(np.diag(log_p)))
    weight = np.exp(log_p[:, 2]) - np.eye(4)[:, 2]  # d loss / d logits[:, 2], times the batch
    expected = (weight[:, None] * unit).sum(axis=0) / 4 / 0.5 / SHORTEST
    assert x_hat.grad is not None
    np.testing.assert_allclose(x_hat.grad[2], expected)

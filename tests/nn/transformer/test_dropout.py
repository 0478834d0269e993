"""Dropout: its share, its mean, its gradient."""

from __future__ import annotations

import pytest
import torch

from tokbench.nn.transformer.dropout import dropout, keep_mask, relu_dropout


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_keeps_the_stated_share_and_the_mean(rate: float) -> None:
    x = torch.ones(401, 997)  # not a multiple of the four draws per word
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        y = dropout(x, rate)
        again = dropout(x, rate)
    error = 5 * (rate * (1 - rate) / x.numel()) ** 0.5
    assert abs((y == 0).float().mean().item() - rate) < error
    assert abs(y.mean().item() - 1) < 2 * error
    assert torch.unique(y).numel() == 2
    overlap = ((y == 0) & (again == 0)).float().mean().item()
    assert abs(overlap - rate**2) < error, "two masks are independent"
    neighbours = ((y[:, 1:] == 0) & (y[:, :-1] == 0)).float().mean().item()
    assert abs(neighbours - rate**2) < 2 * error, "draws from one word are independent"


def test_relu_dropout_has_the_value_and_gradient_of_the_two_steps() -> None:
    draw = torch.Generator().manual_seed(5)
    x = torch.randn(64, 33, generator=draw)
    slope = torch.randn(64, 33, generator=draw)
    ours, plain = x.clone().requires_grad_(), x.clone().requires_grad_()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        fused = relu_dropout(ours, 0.3)
        torch.manual_seed(6)
        stepwise = plain.relu() * keep_mask(plain, 0.3)
    torch.autograd.backward(fused, slope)
    torch.autograd.backward(stepwise, slope)
    torch.testing.assert_close(fused, stepwise)
    torch.testing.assert_close(ours.grad, plain.grad)
    assert (fused == 0).float().mean() > 0.5

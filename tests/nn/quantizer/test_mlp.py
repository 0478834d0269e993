"""The perceptron's shape, its scale, and that it draws from nothing but its generator."""

from __future__ import annotations

import torch
from torch import nn

from tokbench.nn.quantizer.mlp import mlp


def test_layers_alternate_with_relu_and_end_in_a_linear_one() -> None:
    net = mlp([20, 512, 256, 128, 96], generator=torch.Generator().manual_seed(0))
    linears = [layer for layer in net if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linears] == [
        (20, 512),
        (512, 256),
        (256, 128),
        (128, 96),
    ]
    assert [type(layer).__name__ for layer in net] == ["Linear", "ReLU"] * 3 + ["Linear"]


def test_weights_depend_on_the_generator_alone() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one = mlp([5, 7, 3], generator=torch.Generator().manual_seed(4))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    two = mlp([5, 7, 3], generator=torch.Generator().manual_seed(4))
    other = mlp([5, 7, 3], generator=torch.Generator().manual_seed(5))
    first, second, third = (net.state_dict()["0.weight"] for net in (one, two, other))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_differences_between_inputs_keep_their_scale_through_four_layers() -> None:
    generator = torch.Generator().manual_seed(0)
    x = nn.functional.normalize(torch.randn(200, 384, generator=generator), dim=1)
    with torch.no_grad():
        z = mlp([384, 512, 256, 128, 96], generator=generator)(x)
    # A per-coordinate deviation of 1/sqrt(384) goes in; torch's default leaves a thirtieth.
    assert 0.5 < float(z.std(dim=0).mean() / x.std(dim=0).mean()) < 2

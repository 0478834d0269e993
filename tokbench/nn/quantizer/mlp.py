"""Multi-layer perceptrons: the paper's encoder, and its mirror image as decoder (Sec. 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn


def mlp(sizes: Sequence[int], *, generator: torch.Generator) -> nn.Sequential:
    """Linear layers from sizes[0] to sizes[-1] with ReLU between them, none after the last.

    Weights are He-initialised (Kaiming normal, gain of ReLU) and biases zero, drawn from
    `generator` alone: the global random state is neither read nor moved. (torch's own default
    shrinks the differences between items at every ReLU; four layers leave a thirtieth.)
    """
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        linear = nn.Linear(fan_in, fan_out, device="meta").to_empty(device="cpu")
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])

"""Orders of training in which related items meet in a batch.

Axes: N items.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tokbench.nn.quantizer.fit import Order


def neighbour_order(near: Sequence[NDArray[np.int64]] | NDArray[np.int64]) -> Order:
    """Draws orders in which every item stands once, groups of related items side by side.

    `near[n]` are the items that n would like to meet. Items are visited at random; one that is
    still free brings along those of near[n] that are free too. The groups are then shuffled, so
    that what an epoch leaves out at its end is not always the rest whose neighbours had gone.
    """

    def draw(generator: torch.Generator) -> Tensor:
        free = np.ones(len(near), bool)
        groups = []
        for item in torch.randperm(len(near), generator=generator).numpy():
            if free[item]:
                group = np.append(item, near[item][free[near[item]]])
                free[group] = False
                groups.append(group)
        shuffled = torch.randperm(len(groups), generator=generator)
        return torch.from_numpy(np.concatenate([groups[g] for g in shuffled]))

    return draw

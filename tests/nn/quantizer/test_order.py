"""Every item once, related ones together."""

from __future__ import annotations

import numpy as np
import torch

from tokbench.nn.quantizer.order import neighbour_order


def test_an_order_has_every_item_once_and_pairs_together() -> None:
    near = [np.array([n ^ 1]) for n in range(40)]  # 0 with 1, 2 with 3, ...
    order = neighbour_order(near)
    one, two = order(torch.Generator().manual_seed(0)), order(torch.Generator().manual_seed(1))
    assert torch.equal(one, order(torch.Generator().manual_seed(0)))
    assert not torch.equal(one, two)
    for drawn in (one, two):
        assert sorted(drawn.tolist()) == list(range(40))
        assert torch.equal(drawn[0::2] ^ 1, drawn[1::2])


def test_an_item_meets_those_that_are_still_free() -> None:
    """All want to meet 0, who wants to meet nobody: it stands behind whoever comes first."""
    near = [np.zeros(0, np.int64), *[np.zeros(1, np.int64) for _ in range(9)]]
    drawn = neighbour_order(near)(torch.Generator().manual_seed(0)).tolist()
    assert sorted(drawn) == list(range(10))

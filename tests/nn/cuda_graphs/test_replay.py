"""What is replayed on a GPU: the same step on new rows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tokbench.nn.cuda_graphs.replay import EAGER, Replay, Stepped

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def test_a_step_is_recorded_after_a_few_and_replayed_on_new_rows() -> None:
    weight, entered = torch.zeros(4, device="cuda"), []

    def step(rows: Tensor) -> Stepped:
        entered.append(len(rows))
        weight.add_(rows.float())
        return Stepped(rows * 2, weight.sum()[None])

    replay = Replay(step)
    sums = []
    for turn in range(EAGER + 4):
        result = replay(torch.full((4,), turn, device="cuda"))
        assert result.codes.tolist() == [2 * turn] * 4
        sums.append(result.losses)
    expected = [4.0 * sum(range(turn + 1)) for turn in range(EAGER + 4)]
    assert torch.cat(sums).tolist() == expected  # earlier results are not overwritten
    assert len(entered) == EAGER + 1  # the eager ones, and the recording

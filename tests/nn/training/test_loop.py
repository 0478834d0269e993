"""Epochs, means over targets, the early end."""

from __future__ import annotations

import torch

from tokbench.nn.training.loop import Summed, run_epochs


def test_a_mean_is_over_the_targets_of_the_epoch_and_true_ends_training() -> None:
    """Batch b has b targets with losses b and 10 each."""
    means: list[list[float]] = []
    batches: list[int] = []

    def after_epoch(epoch: int, losses: list[float]) -> bool:
        means.append(losses)
        return epoch == 2

    run_epochs(
        9,
        lambda epoch: [1, 2 + epoch],
        lambda b: Summed(torch.tensor([float(b * b), 10.0 * b]), b),
        after_epoch=after_epoch,
        after_batch=lambda b, summed: batches.append(b * summed.targets),
    )
    assert means == [[10 / 4, 10.0], [17 / 5, 10.0]]
    assert batches == [1, 9, 1, 16]

"""The loop shared by everything that learns by gradient: epochs of batches, a step for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from torch import Tensor

Batch = TypeVar("Batch")


class Summed(NamedTuple):
    """Losses of a step, summed over its targets; on the device, where nobody waits for them."""

    losses: Tensor  # [] or [n]
    targets: int


def run_epochs(
    epochs: int,
    batches: Callable[[int], Iterable[Batch]],
    step: Callable[[Batch], Summed],
    *,
    after_epoch: Callable[[int, list[float]], bool | None],
    after_batch: Callable[[Batch, Summed], None] | None = None,
) -> None:
    """Make a step for each of `batches(epoch)`, then call `after_epoch(epoch, mean losses)`.

    Epochs count from 1. The means are over the targets of the epoch's steps, and read from the
    device once. Training ends early where `after_epoch` returns True. `after_batch` is for
    progress.
    """
    for epoch in range(1, epochs + 1):
        total: Tensor | None = None
        targets = 0
        for batch in batches(epoch):
            summed = step(batch)
            total = summed.losses if total is None else total + summed.losses
            targets += summed.targets
            if after_batch is not None:
                after_batch(batch, summed)
        assert total is not None, "an epoch has one batch at least"
        means = [loss / targets for loss in total.reshape(-1).tolist()]
        if after_epoch(epoch, means):
            return

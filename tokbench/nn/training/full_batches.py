"""Training on the rows of a table in batches of one size, by Adam: what quantizers do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from tokbench.api import Runtime, batches
from tokbench.nn.training.loop import Summed, run_epochs


@dataclass(frozen=True)
class FullBatches:
    """Epochs over N rows in batches of exactly `size`; the incomplete batch at the end is left out.

    A table smaller than one batch is one batch.
    """

    size: int
    steps: int  # of an epoch
    epochs: int

    @classmethod
    def of(cls, rows: int, batch_size: int, *, epochs: int, minimum_steps: int) -> FullBatches:
        """At least `epochs`, and as many as `minimum_steps` need."""
        size = min(batch_size, rows)
        steps = rows // size
        return cls(size, steps, max(epochs, math.ceil(minimum_steps / steps)))

    def split(self, order: Tensor) -> list[Tensor]:
        """The rows `order` [N] as batches."""
        return [order[block] for block in batches(self.steps * self.size, self.size)]


def minimise(
    loss: Callable[[Tensor], Tensor],
    x: Tensor,
    weights: Iterable[Tensor],
    plan: FullBatches,
    *,
    learning_rate: float,
    runtime: Runtime,
    generator: torch.Generator | None = None,
    name: str = "loss",
) -> None:
    """Minimise `loss(batch of x)`, a mean over the batch, by Adam on shuffled rows of x [N, D].

    Each epoch logs a row to `runtime`, the mean loss as `name`. The order is drawn from
    `generator`; None is torch's global one.
    """
    optimizer = torch.optim.Adam(weights, lr=learning_rate)

    def step(rows: Tensor) -> Summed:
        value = loss(x[rows])
        descend(value, optimizer)
        return Summed(value.detach(), 1)

    def shuffled(epoch: int) -> list[Tensor]:
        return plan.split(torch.randperm(len(x), generator=generator).to(x.device))

    with runtime.progress.track("train", total=plan.epochs) as advance:

        def after_epoch(epoch: int, means: list[float]) -> None:
            runtime.log(epoch=epoch, steps=epoch * plan.steps, **{name: means[0]})
            advance(note=f"loss {means[0]:.4g}")

        run_epochs(plan.epochs, shuffled, step, after_epoch=after_epoch)


def descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """One step along the gradient of `loss`."""
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    optimizer.step()

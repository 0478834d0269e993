"""Training of a network on examples: micro-batches, steps, validation, the best epoch's weights."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from tokbench.api import Precision, Runtime
from tokbench.nn.cuda_graphs.backward import GraphedBackward
from tokbench.nn.devices import on_cuda, products_in
from tokbench.nn.training.best_epoch import BestEpoch
from tokbench.nn.training.loop import Summed, run_epochs
from tokbench.nn.training.recipe import Recipe
from tokbench.types import Ints

READ_EVERY = 50  # batches on a GPU, which reading a loss makes the host wait for


class Supervised(Protocol):
    """A micro-batch: what one forward and backward pass reads."""

    @property
    def supervised(self) -> int:
        """Targets that its loss is summed over."""


Micro = TypeVar("Micro", bound=Supervised)


@dataclass(frozen=True)
class Examples(Generic[Micro]):
    """What a network learns from.

    `micro_batches(rows)` cuts some of the `count` examples into as many passes as memory and
    padding ask for; `loss` is one pass's, summed over its `supervised` targets. `recordable`
    promises dataclasses of tensors in few shapes and a loss during which the host never waits for
    the device: a GPU then replays its passes as CUDA graphs.
    """

    count: int
    micro_batches: Callable[[Ints], Iterable[Micro]]
    loss: Callable[[Micro], Tensor]
    recordable: bool = False


class GradientStep(Generic[Micro]):
    """One update with the mean gradient over a batch's targets, however the batch was cut."""

    def __init__(
        self,
        network: nn.Module,
        examples: Examples[Micro],
        optimizer: torch.optim.Optimizer,
        scheduler: LRScheduler | None = None,
        precision: Precision = "float32",
    ) -> None:
        self.weights: list[Tensor] = list(network.parameters())
        self.examples, self.optimizer, self.scheduler = examples, optimizer, scheduler
        self.device, self.precision = self.weights[0].device, precision
        self.backward: Callable[[Micro], Tensor] = self.plain
        if examples.recordable and on_cuda(self.device):
            network.train()  # dropout is part of what is recorded
            self.backward = GraphedBackward(self.weights, self.plain)

    def __call__(self, rows: Ints) -> Summed:
        """Update by the examples `rows`."""
        self.optimizer.zero_grad(set_to_none=False)  # a recorded pass writes where they are
        summed = self.accumulate(self.examples.micro_batches(rows))
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        torch._foreach_div_(gradients, float(summed.targets))
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()
        return summed

    def accumulate(self, micro_batches: Iterable[Micro]) -> Summed:
        """Add the gradient of the summed loss to the weights'."""
        total, count = torch.zeros((), dtype=torch.float64, device=self.device), 0
        for micro in micro_batches:
            total += self.backward(micro)
            count += micro.supervised
        return Summed(total, count)

    def plain(self, micro: Micro) -> Tensor:
        """One pass forward and back: its summed loss."""
        with products_in(self.device, self.precision):
            loss = self.examples.loss(micro)
        torch.autograd.backward(loss)
        return loss.detach()


def train(
    network: nn.Module,
    examples: Examples[Micro],
    recipe: Recipe,
    validate: Callable[[], Mapping[str, float]],
    *,
    rng: np.random.Generator,
    runtime: Runtime,
) -> None:
    """Train `network` in place on shuffled batches, ending with the weights of its best validation.

    The order of the examples is drawn from `rng`, dropout from torch's global generator. The first
    figure that `validate()` returns selects the epoch. Each epoch logs a row to `runtime`.
    """
    per_epoch = -(-examples.count // recipe.batch_size)
    optimizer = recipe.optimizer(network)
    scheduler = recipe.scheduler(optimizer, per_epoch * recipe.epochs)
    step = GradientStep(network, examples, optimizer, scheduler, runtime.precision)
    best = BestEpoch(network, validate, recipe, runtime)
    read_every, number = READ_EVERY if on_cuda(step.device) else 1, itertools.count(1)

    def batches(epoch: int) -> Iterator[Ints]:
        network.train()
        yield from np.array_split(rng.permutation(examples.count), per_epoch)

    with runtime.progress.track("train", total=recipe.epochs * examples.count) as advance:

        def after_batch(rows: Ints, summed: Summed) -> None:
            read = next(number) % read_every == 0
            advance(len(rows), f"loss {float(summed.losses) / summed.targets:.3f}" if read else "")

        run_epochs(recipe.epochs, batches, step, after_epoch=best, after_batch=after_batch)
    best.restore()

"""Training of the autoencoder around a residual quantizer.

Axes: N items, B batch, D input, d latent, M levels.

The whole embedding table lives on the device, batches are index_selects of it, distances one
addmm each, Adam is fused, and losses are read back once an epoch: what is left is matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tokbench.api import Runtime
from tokbench.errors import ConfigError
from tokbench.nn.cuda_graphs.replay import Replay, Stepped
from tokbench.nn.devices import on_cuda
from tokbench.nn.quantizer.autoencoder import Batch, QuantizedAutoencoder
from tokbench.nn.quantizer.codebooks import (
    CollapseWatch,
    Initialisation,
    codebook_use,
    initialise_codebooks,
    restart_unused_codes,
)
from tokbench.nn.training.full_batches import FullBatches, descend
from tokbench.nn.training.loop import Summed, run_epochs

Terms = Mapping[str, tuple[float, Tensor]]  # name -> (weight, loss); the weighted sum is minimised
LossTerms = Callable[[Batch], Terms]
Order = Callable[[torch.Generator], Tensor]  # draws an epoch's order of the items' rows [N]


@dataclass(frozen=True)
class QuantizerTraining:
    """How long and how fast to train."""

    epochs: int
    minimum_steps: int  # more epochs are run until there were this many steps
    batch_size: int
    learning_rate: float
    warmup_epochs: int  # epochs without quantization, before the codebooks are initialised
    initialisation: Initialisation
    restart_unused: bool  # after each epoch, move unused codes onto residuals of random items


def train_quantizer(
    model: QuantizedAutoencoder,
    x: Tensor,
    terms: LossTerms,
    schedule: QuantizerTraining,
    watch: CollapseWatch,
    *,
    generator: torch.Generator,
    runtime: Runtime,
    order: Order | None = None,
    alike: bool = False,
) -> None:
    """Minimise the weighted sum of `terms` over x [N, D] (already standardised), in place.

    `order` says which items make a batch: consecutive rows of what it draws; None is at random.
    `alike` promises that `terms` does the same with every batch; a GPU then replays the steps.

    Each epoch adds a row to `runtime`: every loss (mean over its steps) and the use of the codes.
    Batches are full (the number of negatives in Eq. 4 is the batch size); a catalogue smaller than
    one batch is one batch. Raises CollapseError when the codes collapse, ConfigError when the loss
    is no longer finite.
    """
    plan = FullBatches.of(
        len(x), schedule.batch_size, epochs=schedule.epochs, minimum_steps=schedule.minimum_steps
    )
    warmup, epochs = schedule.warmup_epochs, schedule.warmup_epochs + plan.epochs
    optimizer = adam(model, schedule.learning_rate)
    one, codes = OneStep(model, x, terms, optimizer, quantized=warmup == 0), list[Tensor]()
    update = Replay(one) if alike and on_cuda(x.device) else one

    def batches(epoch: int) -> list[Tensor]:
        nonlocal one, update
        drawn = order(generator) if order else torch.randperm(len(x), generator=generator)
        rows = plan.split(drawn.to(x.device))
        if epoch == warmup + 1:
            start_codebooks(model, x, rows[0], schedule.initialisation, generator)
            one = OneStep(model, x, terms, optimizer, quantized=True)
            update = Replay(one) if alike and on_cuda(x.device) else one
        codes.clear()
        return rows

    def step(rows: Tensor) -> Summed:
        stepped = update(rows)
        codes.append(stepped.codes)
        return Summed(stepped.losses, 1)

    def after_epoch(epoch: int, means: list[float]) -> None:
        losses = dict(zip(one.names, means, strict=True))
        require_finite(losses, epoch, schedule.learning_rate)
        use: dict[str, float] = {}
        if epoch > warmup:
            had = torch.cat(codes)  # [*, M] when their batch came
            use = codebook_use(had, model.quantizer.codebooks.shape[1])
            watch.check(use["distinct"], done=(epoch - 1) / epochs)
            if schedule.restart_unused and epoch < epochs:
                restart_unused_codes(
                    model.quantizer, lambda rows: model.latents(x[rows]), len(x), had, generator
                )
        runtime.log(epoch=epoch, steps=epoch * plan.steps, **losses, **use)
        advance(note=f"loss {losses['loss']:.4g}")

    with runtime.progress.track("training the quantizer", total=epochs) as advance:
        run_epochs(epochs, batches, step, after_epoch=after_epoch)
    watch.check(float(len(torch.unique(model.codes(x), dim=0))), done=1.0)


def start_codebooks(
    model: QuantizedAutoencoder,
    x: Tensor,
    first: Tensor,
    how: Initialisation,
    generator: torch.Generator,
) -> None:
    """Initialise from the first batch (rows `first`) or from the catalogue, as `how` says."""
    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    z = model.latents(x if how == "residuals" else x[first])
    initialise_codebooks(model.quantizer, z, how, seed=seed)


def adam(model: nn.Module, learning_rate: float) -> torch.optim.Adam:
    """All weights in one kernel; on a GPU the step is counted there, so that a graph can."""
    device = next(model.parameters()).device
    return torch.optim.Adam(
        model.parameters(), lr=learning_rate, fused=True, capturable=on_cuda(device)
    )


class OneStep:
    """Gather a batch of x [N, D], minimise `terms` by one step; `names` are those of its losses."""

    def __init__(
        self,
        model: QuantizedAutoencoder,
        x: Tensor,
        terms: LossTerms,
        optimizer: torch.optim.Optimizer,
        *,
        quantized: bool,
    ) -> None:
        self.model, self.x, self.terms, self.optimizer = model, x, terms, optimizer
        self.quantized = quantized
        self.names: list[str] = []

    def __call__(self, rows: Tensor) -> Stepped:
        """One step on the items `rows` [B]: their codes, and the losses, the weighted sum first."""
        batch = self.model(rows, self.x.index_select(0, rows), quantized=self.quantized)
        named = self.terms(batch)
        loss = torch.stack([weight * value for weight, value in named.values()]).sum()
        descend(loss, self.optimizer)
        self.names = ["loss", *named]
        return Stepped(
            batch.codes, torch.stack([loss, *(value for _, value in named.values())]).detach()
        )


def require_finite(losses: Mapping[str, float], epoch: int, learning_rate: float) -> None:
    """Raises ConfigError naming the losses that are not finite."""
    broken = [name for name, value in losses.items() if not math.isfinite(value)]
    if broken:
        raise ConfigError(
            f"training diverged in epoch {epoch}: {', '.join(broken)} not finite "
            f"(try learning_rate below {learning_rate:g}, or standardize=zscore)"
        )

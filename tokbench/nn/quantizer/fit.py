"""The autoencoder around a residual quantizer, and the loop that trains it.

Axes: N items, B batch, D input, d latent, M levels, K codes.

The whole embedding table lives on the device, batches are index_selects of it, distances one
addmm each, Adam is fused, and losses are read back once an epoch: what is left is matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from tokbench.api import Runtime, batches
from tokbench.errors import ConfigError
from tokbench.nn.cuda_graphs.replay import Replay, Step, Stepped
from tokbench.nn.devices import on_cuda
from tokbench.nn.quantizer.codebooks import (
    CollapseWatch,
    Initialisation,
    codebook_use,
    initialise_codebooks,
    restart_unused_codes,
)
from tokbench.nn.quantizer.mlp import mlp
from tokbench.nn.quantizer.residual import Quantized, ResidualQuantizer

Standardize = Literal["none", "center", "zscore"]


class Batch(NamedTuple):
    """What a loss term may look at."""

    rows: Tensor  # [B] int64, the items' rows in the catalogue (for side data of your own)
    x: Tensor  # [B, D] the input, standardised as configured
    z: Tensor  # [B, d] = E(x)
    codes: Tensor  # [B, M] int64
    r: Tensor  # [B, M, d] residuals
    e: Tensor  # [B, M, d] chosen code vectors
    z_hat: Tensor  # [B, d] straight-through
    x_hat: Tensor  # [B, D] = D(z_hat)


BLOCK = 8192  # rows that go through the network at once, outside training
Terms = Mapping[str, tuple[float, Tensor]]  # name -> (weight, loss); the weighted sum is minimised
LossTerms = Callable[[Batch], Terms]
Order = Callable[[torch.Generator], Tensor]  # draws an epoch's order of the items' rows [N]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train."""

    epochs: int
    minimum_steps: int  # more epochs are run until there were this many steps
    batch_size: int
    learning_rate: float
    warmup_epochs: int  # epochs without quantization, before the codebooks are initialised
    initialisation: Initialisation
    restart_unused: bool  # after each epoch, move unused codes onto residuals of random items


class QuantizedAutoencoder(nn.Module):
    """E, Q and D, and the standardisation of the input that comes before them."""

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        quantizer: ResidualQuantizer,
        *,
        input_dim: int,
        hidden: Sequence[int],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        sizes = [input_dim, *hidden, quantizer.codebooks.shape[-1]]
        self.encoder = mlp(sizes, generator=generator)
        self.decoder = mlp(sizes[::-1], generator=generator)
        self.quantizer = quantizer
        self.as_it_is = True
        self.register_buffer("mean", torch.zeros(input_dim))
        self.register_buffer("scale", torch.ones(input_dim))

    def standardize_by(self, embeddings: Tensor, how: Standardize) -> None:
        """Take mean and scale from the catalogue [N, D]."""
        self.as_it_is = how == "none"
        if how != "none":
            self.mean = embeddings.mean(dim=0)
        if how == "zscore":
            deviation = embeddings.std(dim=0, correction=0)
            self.scale = torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation))

    def standardize(self, embeddings: Tensor) -> Tensor:
        """Raw embeddings [N, D] to x [N, D]; themselves, not a copy, where nothing is done."""
        return embeddings if self.as_it_is else (embeddings - self.mean).div_(self.scale)

    def forward(self, rows: Tensor, x: Tensor, *, quantized: bool) -> Batch:
        """One pass. Without quantization z_hat is z, and residuals and code vectors are zero, so
        that Eq. 3 vanishes."""
        z = self.encoder(x)
        q = self.quantizer(z) if quantized else self.unquantized(z)
        return Batch(rows, x, z, q.codes, q.r, q.e, q.z_hat, self.decoder(q.z_hat))

    def unquantized(self, z: Tensor) -> Quantized:
        """z as its own z_hat."""
        zeros = z.new_zeros(len(z), self.quantizer.levels, z.shape[-1])
        return Quantized(zeros[:, :, 0].long(), zeros, zeros, z)

    @torch.no_grad()
    def latents(self, x: Tensor) -> Tensor:
        """z [N, d] of x [N, D], in blocks."""
        return torch.cat([self.encoder(x[block]) for block in batches(len(x), BLOCK)])

    @torch.no_grad()
    def codes(self, x: Tensor) -> Tensor:
        """x [N, D] to codes [N, M] int64, in blocks."""
        to_codes = self.quantizer.vectors_to_codes
        return torch.cat([to_codes(self.encoder(x[block])) for block in batches(len(x), BLOCK)])

    def encode(self, embeddings: Tensor) -> Tensor:
        """Raw embeddings [N, D] to codes [N, M] int64."""
        return self.codes(self.standardize(embeddings))

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Codes [N, M] int64 to reconstructions of raw embeddings [N, D], in blocks."""
        x_hat = [
            self.decoder(self.quantizer.codes_to_vectors(codes[block]))
            for block in batches(len(codes), BLOCK)
        ]
        return torch.cat(x_hat) * self.scale + self.mean


def train_quantizer(
    model: QuantizedAutoencoder,
    x: Tensor,
    terms: LossTerms,
    schedule: Schedule,
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
    size = min(schedule.batch_size, len(x))
    steps = len(x) // size
    warmup = schedule.warmup_epochs
    epochs = warmup + max(schedule.epochs, math.ceil(schedule.minimum_steps / steps))
    optimizer = adam(model, schedule.learning_rate)
    with runtime.progress.track("training the quantizer", total=epochs) as advance:
        for epoch in range(epochs):
            drawn = order(generator) if order else torch.randperm(len(x), generator=generator)
            drawn = drawn.to(x.device)
            if epoch == warmup:
                start_codebooks(model, x, drawn[:size], schedule.initialisation, generator)
            if epoch in (0, warmup):
                one = OneStep(model, x, terms, optimizer, quantized=epoch >= warmup)
                step = Replay(one) if alike and on_cuda(x.device) else one
            rows = [drawn[block] for block in batches(steps * size, size)]
            means, codes = train_epoch(step, rows)
            losses = dict(zip(one.names, means, strict=True))
            require_finite(losses, epoch + 1, schedule.learning_rate)
            curve = {"epoch": epoch + 1, "steps": (epoch + 1) * steps, **losses}
            if epoch >= warmup:
                use = codebook_use(codes, model.quantizer.codebooks.shape[1])
                watch.check(use["distinct"], done=epoch / epochs)
                curve |= use
                if schedule.restart_unused and epoch + 1 < epochs:
                    restart_unused_codes(
                        model.quantizer,
                        lambda rows: model.latents(x[rows]),
                        len(x),
                        codes,
                        generator,
                    )
            runtime.log(**curve)
            advance(note=f"loss {losses['loss']:.4g}")
    codes = model.codes(x)
    watch.check(float(len(torch.unique(codes, dim=0))), done=1.0)


def start_codebooks(
    model: QuantizedAutoencoder,
    x: Tensor,
    first: Tensor,
    how: Initialisation,
    generator: torch.Generator,
) -> None:
    """Initialise from the first batch (rows `first`) or from the catalogue, as `how` says."""
    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    z = model.latents(x[first] if how == "first-batch" else x)
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
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.names = ["loss", *named]
        return Stepped(
            batch.codes, torch.stack([loss, *(value for _, value in named.values())]).detach()
        )


def train_epoch(step: Step, rows: Sequence[Tensor]) -> tuple[list[float], Tensor]:
    """A step for each batch: the mean of each loss, read once, and the codes [*, M] that the items
    had when their batch came."""
    codes, total = [], torch.zeros((), device=rows[0].device)
    for batch_rows in rows:
        stepped = step(batch_rows)
        total = stepped.losses + total
        codes.append(stepped.codes)
    return [summed / len(rows) for summed in total.tolist()], torch.cat(codes)


def require_finite(losses: Mapping[str, float], epoch: int, learning_rate: float) -> None:
    """Raises ConfigError naming the losses that are not finite."""
    broken = [name for name, value in losses.items() if not math.isfinite(value)]
    if broken:
        raise ConfigError(
            f"training diverged in epoch {epoch}: {', '.join(broken)} not finite "
            f"(try learning_rate below {learning_rate:g}, or standardize=zscore)"
        )

"""Training of the encoder-decoder: the loss of a batch in chunks, the schedule, the epochs.

Axes: B windows of a chunk, T targets, M levels, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tokbench.nn.cuda_graphs.graphs import GraphedBackward
from tokbench.nn.devices import bias_learning_attention, on_cuda
from tokbench.nn.transformer.packing import IGNORED, Chunk, Ints, Packer, Windows
from tokbench.nn.transformer.t5 import Transformer


@dataclass(frozen=True)
class Recipe:
    """How to train; the words are those of the generator's Config."""

    batch_size: int
    epochs: int
    learning_rate: float
    schedule: Literal["constant", "inverse-sqrt", "cosine"]
    warmup_steps: int
    weight_decay: float
    label_smoothing: float


def backward(
    model: Transformer,
    chunks: Iterable[Chunk],
    *,
    smoothing: float = 0.0,
    graphed: GraphedBackward | None = None,
) -> tuple[Tensor, int]:
    """Adds the gradient of the summed loss of `chunks` to the weights': (the sum, its tokens).

    The caller divides by the number of tokens of all chunks, which makes the result the mean over
    the batch however it was cut. The sum is left on the device, where nobody need wait for it.
    """
    total, count = torch.zeros((), dtype=torch.float64, device=model.embedding.device), 0
    for chunk in chunks:
        if graphed is not None:
            loss = graphed(chunk)
        else:
            loss = summed_loss(model, chunk, smoothing=smoothing)
            torch.autograd.backward(loss)
        total += loss.detach()
        count += chunk.supervised
    return total, count


def summed_loss(model: Transformer, chunk: Chunk, *, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy over the whole vocabulary, summed over the supervised tokens."""
    device = chunk.encoder.device
    autocast = torch.autocast("cuda", dtype=torch.bfloat16, enabled=on_cuda(device))
    with autocast, bias_learning_attention(device):
        memory = model.encode(chunk.encoder, chunk.encoder_allowed)
        hidden = model.decode(chunk.decoder, memory, chunk.ends)
        labels = chunk.labels
        if not on_cuda(device):  # a GPU would have to tell the host how many tokens are kept
            kept = labels != IGNORED
            hidden, labels = hidden[kept], labels[kept]
        return F.cross_entropy(
            model.logits(hidden).flatten(0, -2),
            labels.flatten(),
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=smoothing,
        )


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """The rate of step 1..steps: linear warm-up, then as the schedule says."""
    warmup = recipe.warmup_steps
    if step <= warmup:
        return recipe.learning_rate * step / warmup
    if recipe.schedule == "inverse-sqrt":
        return recipe.learning_rate * math.sqrt(max(warmup, 1) / step)
    if recipe.schedule == "cosine":
        done = (step - warmup) / max(1, steps - warmup)
        return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
    return recipe.learning_rate


def train_epochs(
    model: Transformer,
    packer: Packer,
    windows: Windows,
    recipe: Recipe,
    *,
    rng: np.random.Generator,
    after_epoch: Callable[[int, float], bool],
    after_batch: Callable[[int, float | None], None],
) -> None:
    """Adam over shuffled batches of windows, until `after_epoch(epoch, mean loss)` says stop.

    Dropout draws from torch's global generator, the order of the windows from `rng`.
    `after_batch(windows, mean loss)` is for progress; the loss is None where it was not read.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    graphed = graphed_backward(model, recipe) if on_cuda(packer.device) else None
    read_every = READ_EVERY if on_cuda(packer.device) else 1
    per_epoch = -(-len(windows) // recipe.batch_size)
    step, steps = 0, per_epoch * recipe.epochs
    for epoch in range(1, recipe.epochs + 1):
        model.train()
        order = rng.permutation(len(windows))
        summed = torch.zeros((), dtype=torch.float64, device=packer.device)
        tokens = 0
        for rows in np.array_split(order, per_epoch):
            step += 1
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, step, steps)
            total, count = train_step(model, optimizer, packer, windows, rows, recipe, graphed)
            summed, tokens = summed + total, tokens + count
            after_batch(len(rows), float(total) / count if step % read_every == 0 else None)
        if after_epoch(epoch, float(summed) / tokens):
            return


READ_EVERY = 50  # batches on a GPU, which reading a loss makes the host wait for


def graphed_backward(model: Transformer, recipe: Recipe) -> GraphedBackward:
    """The recipe's loss as CUDA graphs."""
    model.train()  # dropout is part of what is recorded
    return GraphedBackward(model, partial(summed_loss, smoothing=recipe.label_smoothing))


def train_step(
    model: Transformer,
    optimizer: torch.optim.Optimizer,
    packer: Packer,
    windows: Windows,
    rows: Ints,
    recipe: Recipe,
    graphed: GraphedBackward | None = None,
) -> tuple[Tensor, int]:
    """One update with the mean gradient of the windows `rows`: (summed loss, tokens)."""
    optimizer.zero_grad(set_to_none=False)
    chunks = packer.chunks(windows, rows)
    total, count = backward(model, chunks, smoothing=recipe.label_smoothing, graphed=graphed)
    torch._foreach_div_([p.grad for p in model.parameters() if p.grad is not None], float(count))
    optimizer.step()
    return total, count

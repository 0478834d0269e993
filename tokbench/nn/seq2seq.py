"""Training of the encoder-decoder: the loss of a batch in chunks, the schedule, the epochs.

Axes: B windows of a chunk, T targets, M levels, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tokbench.nn.packing import IGNORED, Chunk, Ints, Packer, Windows
from tokbench.nn.transformer import Transformer


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
    model: Transformer, chunks: Iterable[Chunk], *, smoothing: float = 0.0
) -> tuple[float, int]:
    """Adds the gradient of the summed loss of `chunks` to the weights': (the sum, its tokens).

    The caller divides by the number of tokens of all chunks, which makes the result the mean over
    the batch however it was cut.
    """
    total, count = 0.0, 0
    for chunk in chunks:
        loss, tokens = summed_loss(model, chunk, smoothing=smoothing)
        torch.autograd.backward(loss)
        total += float(loss.detach())
        count += tokens
    return total, count


def summed_loss(model: Transformer, chunk: Chunk, *, smoothing: float = 0.0) -> tuple[Tensor, int]:
    """Cross-entropy over the whole vocabulary, summed over the supervised tokens; their number."""
    with torch.autocast("cuda", dtype=torch.bfloat16, enabled=chunk.encoder.is_cuda):
        memory = model.encode(chunk.encoder, chunk.encoder_allowed)
        hidden = model.decode(chunk.decoder, memory, chunk.ends)
        kept = chunk.labels != IGNORED
        labels = chunk.labels[kept]
        logits = model.logits(hidden[kept])
        loss = F.cross_entropy(logits, labels, reduction="sum", label_smoothing=smoothing)
    return loss, len(labels)


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
    after_batch: Callable[[int, float], None],
) -> None:
    """Adam over shuffled batches of windows, until `after_epoch(epoch, mean loss)` says stop.

    Dropout draws from torch's global generator, the order of the windows from `rng`.
    `after_batch(windows, mean loss)` is for progress. Ends early when it returns True.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    per_epoch = -(-len(windows) // recipe.batch_size)
    step, steps = 0, per_epoch * recipe.epochs
    for epoch in range(1, recipe.epochs + 1):
        model.train()
        order = rng.permutation(len(windows))
        summed, tokens = 0.0, 0
        for rows in np.array_split(order, per_epoch):
            step += 1
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, step, steps)
            total, count = train_step(model, optimizer, packer, windows, rows, recipe)
            summed, tokens = summed + total, tokens + count
            after_batch(len(rows), total / count)
        if after_epoch(epoch, summed / tokens):
            return


def train_step(
    model: Transformer,
    optimizer: torch.optim.Optimizer,
    packer: Packer,
    windows: Windows,
    rows: Ints,
    recipe: Recipe,
) -> tuple[float, int]:
    """One update with the mean gradient of the windows `rows`: (summed loss, tokens)."""
    optimizer.zero_grad(set_to_none=False)
    total, count = backward(model, packer.chunks(windows, rows), smoothing=recipe.label_smoothing)
    torch._foreach_div_([p.grad for p in model.parameters() if p.grad is not None], float(count))
    optimizer.step()
    return total, count

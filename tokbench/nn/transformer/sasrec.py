"""SASRec: a causal Transformer over items, and its training by full softmax cross-entropy.

Kang & McAuley, ICDM 2018, arXiv 1808.09781, with the loss of Klenitskiy & Vasilev, RecSys 2023,
arXiv 2309.07602. An "item" is a class 0..G-1 here; class G is START, which every input begins
with, so that an empty history can be read.

Axes: B windows, L places of the longest (START and items), d width, H heads, G classes,
P supervised places of a chunk.

    inputs  [B, L]  START i1 i2 i3 ...      labels [B, L]  i1 i2 i3 i4 ...
    x       [B, L, d] = E[inputs] * sqrt(d) + place;  blocks;  norm  ->  hidden [B, L, d]
    logits  [P, G]  = hidden[supervised] @ E[:G].T      (the item embeddings are tied)

Padding stands to the right, where no earlier place sees it, and needs no mask of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tokbench.nn.transformer.dropout import dropout
from tokbench.nn.transformer.packing import IGNORED, Windows, pack

Ints = NDArray[np.int64]


class SasRec(nn.Module):
    """`layers` blocks of causal self-attention and feed-forward, each after its norm."""

    def __init__(
        self, *, classes: int, places: int, width: int, layers: int, heads: int, rate: float
    ) -> None:
        super().__init__()
        self.classes, self.rate = classes, rate
        self.items = nn.Parameter(torch.randn(classes + 1, width) * INITIAL_STD)
        self.place = nn.Parameter(torch.randn(places, width) * INITIAL_STD)
        self.blocks = nn.ModuleList(Block(width, heads, rate) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, inputs: Tensor) -> Tensor:
        """Classes [B, L] to hidden states [B, L, d]; place l sees the places up to l."""
        scaled = F.embedding(inputs, self.items) * math.sqrt(self.items.shape[1])
        x = dropout(scaled + self.place[: inputs.shape[1]], self.rate if self.training else 0.0)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)  # type: ignore[no-any-return]

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., d] to a score for each class [..., G]; START is not proposed."""
        return hidden @ self.items[: self.classes].T


INITIAL_STD = 0.02  # of embeddings and matrices, as in BERT4Rec's and GPT-2's code


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)); both d wide inside."""

    def __init__(self, width: int, heads: int, rate: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, rate
        self.attention_norm, self.forward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.inward, self.outward = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, width), nn.Linear(width, width)
        for matrix in (self.inward, self.outward, self.wide, self.narrow):
            nn.init.normal_(matrix.weight, std=INITIAL_STD)
            nn.init.zeros_(matrix.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[B, L, d] to the same."""
        rate = self.rate if self.training else 0.0
        batch, length, width = x.shape
        split = self.inward(self.attention_norm(x)).view(batch, length, 3, self.heads, -1)
        q, k, v = split.permute(2, 0, 3, 1, 4)  # each [B, H, L, d / H]
        scores = q @ k.transpose(-1, -2) / math.sqrt(width / self.heads)
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        weights = dropout(scores.masked_fill(later, -math.inf).softmax(-1), rate)
        seen = (weights @ v).transpose(1, 2).flatten(2)
        x = x + dropout(self.outward(seen), rate)
        inner = dropout(F.relu(self.wide(self.forward_norm(x))), rate)
        return x + dropout(self.narrow(inner), rate)


def chunks(
    items: Ints, windows: Windows, rows: Ints, *, start: int, budget: int
) -> Iterator[tuple[Ints, Ints]]:
    """(inputs [B, L], labels [B, L]) of the windows `rows`, grouped by near length.

    A label is IGNORED where it is not supervised; a chunk has at most `budget` places (or one row).
    """
    ends = np.append(items, start)  # where padding is gathered from
    for group in pack(windows.lengths[rows], budget=budget, overhead=budget // 16):
        own = rows[group]
        lengths = windows.lengths[own][:, None]
        at = np.arange(int(lengths.max()))
        labels = ends[np.where(at < lengths, windows.start[own][:, None] + at, -1)]
        inputs = np.concatenate([np.full((len(own), 1), start), labels[:, :-1]], axis=1)
        supervised = (at < lengths) & (at >= windows.first[own][:, None])
        yield inputs, np.where(supervised, labels, IGNORED)


def summed_loss(model: SasRec, inputs: Tensor, labels: Tensor) -> tuple[Tensor, int]:
    """-sum of log softmax over all G classes at the supervised places, and how many these are."""
    kept = labels != IGNORED
    logits = model.logits(model(inputs)[kept])
    return F.cross_entropy(logits, labels[kept], reduction="sum"), len(logits)


@dataclass(frozen=True)
class Recipe:
    """How to train; the words are those of the generator's Config."""

    batch_size: int  # windows of a step
    epochs: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float


def train_epochs(
    model: SasRec,
    items: Ints,
    windows: Windows,
    recipe: Recipe,
    *,
    budget: int,
    rng: np.random.Generator,
    after_epoch: Callable[[int, float], bool],
    after_batch: Callable[[int, float], None],
) -> None:
    """AdamW at a constant rate over shuffled batches, until `after_epoch(epoch, loss)` says stop.

    Dropout draws from torch's global generator, the order of the windows from `rng`. The gradient
    is that of the mean over the batch's supervised places, however it was cut into chunks.
    """
    device, start = model.items.device, model.classes
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    per_epoch, step = -(-len(windows) // recipe.batch_size), 0
    for epoch in range(1, recipe.epochs + 1):
        model.train()
        summed, places = 0.0, 0
        for rows in np.array_split(rng.permutation(len(windows)), per_epoch):
            step += 1
            rate = recipe.learning_rate * min(1.0, step / max(1, recipe.warmup_steps))
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            total, count = 0.0, 0
            for chunk in chunks(items, windows, rows, start=start, budget=budget):
                loss, found = summed_loss(model, *(torch.from_numpy(a).to(device) for a in chunk))
                torch.autograd.backward(loss)
                total, count = total + float(loss.detach()), count + found
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            torch._foreach_div_(gradients, float(count))
            optimizer.step()
            summed, places = summed + total, places + count
            after_batch(len(rows), total / count)
        if after_epoch(epoch, summed / places):
            return

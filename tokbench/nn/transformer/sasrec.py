"""SASRec: a causal Transformer over items, its micro-batches, and its full or sampled softmax.

Kang & McAuley, ICDM 2018, arXiv 1808.09781, with the losses of Klenitskiy & Vasilev, RecSys 2023,
arXiv 2309.07602. An "item" is a class 0..G-1 here; class G is START, which every input begins
with, so that an empty history can be read.

Axes: B windows, L places of the longest (START and items), d width, H heads, G classes,
P supervised places of a micro-batch.

    inputs  [B, L]  START i1 i2 i3 ...      labels [B, L]  i1 i2 i3 i4 ...
    x       [B, L, d] = E[inputs] * sqrt(d) + place;  blocks;  norm  ->  hidden [B, L, d]
    logits  [P, G]  = hidden[supervised] @ E[:G].T      (the item embeddings are tied)

Padding stands to the right, where no earlier place sees it, and needs no mask of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tokbench.nn.devices import on_cuda, sent
from tokbench.nn.transformer.collator import IGNORED, Grid, up_to
from tokbench.nn.transformer.dropout import dropout
from tokbench.nn.transformer.windows import Windows, pack
from tokbench.types import Ints


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


@dataclass(frozen=True)
class MicroBatch:
    """What one forward and backward pass reads."""

    inputs: Tensor  # [B, L]
    labels: Tensor  # [B, L], IGNORED where nothing is supervised
    supervised: int  # labels that are


@dataclass(frozen=True)
class Collator:
    """Turns windows over the classes `items` into micro-batches of at most `budget` places each.

    For a GPU they are padded to few shapes, as each is recorded once (nn/cuda_graphs/backward.py).
    """

    items: Ints
    windows: Windows
    start: int  # START's class
    budget: int
    device: str

    def __call__(self, rows: Ints) -> Iterator[MicroBatch]:
        """The windows `rows`, grouped by near length; one row may exceed the budget."""
        padded = np.append(self.items, self.start)  # where padding is gathered from
        lengths, grid = self.windows.lengths[rows], self.grid
        most = int(self.windows.lengths.max())  # the network has places for these, not for more
        if grid is not None:
            lengths = np.minimum(up_to(lengths, grid.items), most)
        for group in pack(lengths, budget=self.budget, overhead=self.budget // 16):
            own = rows[group]
            length, first = self.windows.lengths[own], self.windows.first[own]
            longest = int(length.max())
            if grid is not None:
                longest = min(up_to(longest, grid.items), most)
                filling = -len(own) % grid.windows
                own = np.append(own, np.repeat(own[:1], filling))
                length = np.append(length, np.zeros(filling, np.int64))  # read and not supervised
                first = np.append(first, np.zeros(filling, np.int64))
            length, first = length[:, None], first[:, None]
            at = np.arange(longest)
            labels = padded[np.where(at < length, self.windows.start[own][:, None] + at, -1)]
            inputs = np.concatenate([np.full((len(own), 1), self.start), labels[:, :-1]], axis=1)
            supervised = (at < length) & (at >= first)
            yield MicroBatch(
                sent(inputs, self.device),
                sent(np.where(supervised, labels, IGNORED), self.device),
                int(supervised.sum()),
            )

    @cached_property
    def grid(self) -> Grid | None:
        """Rows by 32, lengths in four classes; None on a CPU, which records nothing."""
        if not on_cuda(self.device):
            return None
        return Grid(32, -(-int(self.windows.lengths.max()) // 4))


def summed_loss(model: SasRec, batch: MicroBatch) -> Tensor:
    """-sum of log softmax over all G classes at the supervised places."""
    if on_cuda(batch.labels.device):  # which would have to tell the host how many are kept
        logits = model.logits(model(batch.inputs)).flatten(0, 1)
        return F.cross_entropy(
            logits, batch.labels.flatten(), ignore_index=IGNORED, reduction="sum"
        )
    kept = batch.labels != IGNORED
    logits = model.logits(model(batch.inputs)[kept])
    return F.cross_entropy(logits, batch.labels[kept], reduction="sum")


def sampled_loss(model: SasRec, batch: MicroBatch, negatives: int) -> Tensor:
    """-sum of log softmax over the target's class and `negatives` others, at the supervised places.

    The others are drawn uniformly, with replacement, from torch's global generator, once for all
    places of the pass; one that is a place's own target does not count there. Uniform draws need
    no correction: the best scores are log p plus a constant, but for classes drawn twice.
    """
    kept = batch.labels != IGNORED
    hidden, labels = model(batch.inputs)[kept], batch.labels[kept]
    drawn = torch.randint(model.classes, (negatives,), device=hidden.device)
    target = (hidden * F.embedding(labels, model.items)).sum(-1, keepdim=True)  # [P, 1]
    others = hidden @ F.embedding(drawn, model.items).T  # [P, negatives]
    others = others.masked_fill(labels.unsqueeze(1) == drawn, -math.inf)
    scores = torch.cat([target, others], dim=1)
    return F.cross_entropy(scores, torch.zeros_like(labels), reduction="sum")

"""The Transformer that reads one position per item: the sum of the item's code embeddings.

A history is M times shorter than as a sequence of codes, and its attention M^2 times smaller. What
writes the next item's codes is a subclass's: `rq` one after the other, `parallel` all at once.

A class 0..G-1 is a distinct code tuple, in lexicographic order; class G is START, which every
input begins with, so that an empty history can be read.

Axes: B windows, L places of the longest (START and items), P supervised places, M levels, V codes
of all levels, d width, H heads.

    x       [B, L, d]  = sum_m read[code m of the item]
    hidden  [B, L, d]  = norm(blocks(x))                 place l sees the places up to l
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tokbench.nn.devices import on_cuda
from tokbench.nn.transformer.collator import IGNORED
from tokbench.nn.transformer.dropout import dropout, relu_dropout
from tokbench.nn.transformer.sasrec import MicroBatch


class ItemTransformer(nn.Module):
    """`tuples` [G, M] are distinct and in lexicographic order. Weights are drawn from torch's
    global generator."""

    tokens: Tensor  # [G + 1, M]: each level has its own, START has one token of its own

    def __init__(
        self,
        tuples: NDArray[np.int32],
        level_sizes: tuple[int, ...],
        *,
        places: int,
        width: int,
        layers: int,
        heads: int,
        rate: float,
    ) -> None:
        super().__init__()
        self.level_sizes, self.rate, vocabulary = level_sizes, rate, sum(level_sizes)
        tokens = tuples.astype(np.int64) + np.cumsum([0, *level_sizes[:-1]])
        start = np.full((1, len(level_sizes)), vocabulary)
        constant(self, "tokens", torch.from_numpy(np.vstack([tokens, start])))
        # Embeddings are read times sqrt(d), so that Adam moves them as fast as what they add up to.
        self.read = nn.Parameter(torch.randn(vocabulary + 1, width) / width)
        self.add_tables(vocabulary, width)
        gain = (2 * layers) ** -0.5
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                [
                    DistanceAttention(width, heads, places, rate, gain),
                    FeedForward(width, 4 * width, rate, gain),
                ]
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width, bias=False)

    @abstractmethod
    def add_tables(self, vocabulary: int, width: int) -> None:
        """Set the embeddings [V, d] by which codes are written."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Classes [B, L] to hidden states [B, L, d]."""
        x = self.drop(self.embed(self.tokens[inputs], self.read).sum(2))
        at = torch.arange(x.shape[1], device=x.device)
        distance = at[:, None] - at
        for attention, feed_forward in cast("list[tuple[nn.Module, nn.Module]]", self.blocks):
            x = feed_forward(attention(x, distance))
        return self.norm(x)  # type: ignore[no-any-return]

    @abstractmethod
    def log_p(self, hidden: Tensor, classes: Tensor) -> Tensor:
        """log p of each class given its hidden state, among all classes: [P, d] and [P] to [P]."""

    @abstractmethod
    def search(self, hidden: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """The `width` likeliest classes after each hidden state [B, d], best first: classes and
        log p, [B, width] each; -1 and -inf where there are no more."""

    def loss(self, hidden: Tensor, classes: Tensor) -> Tensor:
        """What training lowers: hidden states [P, d] and their classes [P] to [P]."""
        return -self.log_p(hidden, classes)

    def embed(self, tokens: Tensor, table: Tensor) -> Tensor:
        """Rows of an embedding, scaled."""
        return F.embedding(tokens, table) * math.sqrt(table.shape[1])

    def drop(self, x: Tensor) -> Tensor:
        """Dropout at the model's rate, in training only."""
        return dropout(x, self.rate if self.training else 0.0)


def summed_loss(model: ItemTransformer, batch: MicroBatch) -> Tensor:
    """The loss at the supervised places, summed."""
    kept = batch.labels != IGNORED
    if on_cuda(kept.device):  # which would have to tell the host how many are kept
        hidden, classes = model(batch.inputs).flatten(0, 1), batch.labels.clamp(min=0).flatten()
        return model.loss(hidden, classes).masked_fill(~kept.flatten(), 0).sum()
    return model.loss(model(batch.inputs)[kept], batch.labels[kept]).sum()


class DistanceAttention(nn.Module):
    """x + out(attention(norm(x))), causal, with a learned bias per head and distance in places."""

    def __init__(self, width: int, heads: int, places: int, rate: float, gain: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, rate
        self.norm = nn.LayerNorm(width, bias=False)
        self.qkv, self.out = matrix(3 * width, width), matrix(width, width, gain)
        self.bias = nn.Parameter(torch.zeros(heads, places))

    def forward(self, x: Tensor, distance: Tensor) -> Tensor:
        """[B, L, d] to the same; `distance` [L, L] of query and key, negative for later keys."""
        batch, length, width = x.shape
        qkv = F.linear(self.norm(x), self.qkv).view(batch, length, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).flatten(1, 2)  # each [B * H, L, d / H]
        bias = self.bias[:, distance.clamp(min=0)].masked_fill(distance < 0, -math.inf)
        scores = torch.baddbmm(
            bias.expand(batch, -1, -1, -1).flatten(0, 1),
            q,
            k.transpose(1, 2),
            alpha=(width // self.heads) ** -0.5,
        )
        seen = (scores.softmax(-1) @ v).view(batch, self.heads, length, -1).transpose(1, 2)
        return x + dropout(F.linear(seen.flatten(2), self.out), self.rate if self.training else 0.0)


class FeedForward(nn.Module):
    """x + out(dropout(relu(in(norm(x)))))."""

    def __init__(self, width: int, inner: int, rate: float, gain: float) -> None:
        super().__init__()
        self.rate = rate
        self.norm = nn.LayerNorm(width, bias=False)
        self.wide, self.narrow = matrix(inner, width, 2**0.5), matrix(width, inner, gain)

    def forward(self, x: Tensor) -> Tensor:
        """[..., d] to the same."""
        rate = self.rate if self.training else 0.0
        hidden = relu_dropout(F.linear(self.norm(x), self.wide), rate)
        return x + dropout(F.linear(hidden, self.narrow), rate)


def matrix(out: int, into: int, gain: float = 1.0) -> nn.Parameter:
    """Weights [out, into] that keep a variance of one, times gain^2."""
    return nn.Parameter(torch.randn(out, into) * gain * into**-0.5)


def constant(module: nn.Module, name: str, value: Tensor) -> Tensor:
    """A tensor that moves with the module and is not part of its state."""
    module.register_buffer(name, value, persistent=False)
    return value

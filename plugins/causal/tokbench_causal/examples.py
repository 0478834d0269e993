"""What the decoder-only network learns from: windows as rows of tokens, and the loss.

Axes: B windows of a micro-batch, L items of its longest, M levels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tokbench.nn.devices import bias_learning_attention
from tokbench.nn.transformer import IGNORED, START, Windows, pack
from tokbench.types import Ints
from tokbench_causal.network import Network


class MicroBatch(NamedTuple):
    """What one forward and backward pass reads."""

    inputs: Tensor  # [B, L * M]
    labels: Tensor  # [B, L * M], IGNORED where nothing is supervised
    supervised: int  # labels that are


class Collator:
    """Windows over `items` as rows of tokens; `tokens` [N, M] are the tokens of each item."""

    def __init__(self, items: Ints, tokens: Ints, *, budget: int, device: str) -> None:
        self.items, self.budget, self.device = items, budget, device
        self.levels = tokens.shape[1]
        self.tokens = torch.from_numpy(tokens).to(device)

    def micro_batches(self, windows: Windows, rows: Ints) -> Iterator[MicroBatch]:
        """The windows `rows`, grouped by near length.

        Every token of a supervised item is a label once an epoch. A sequence's first item is one
        too: it follows START alone, which is how an empty history is continued.
        """
        lengths = windows.lengths[rows] * self.levels
        for group in pack(lengths, budget=self.budget, overhead=self.budget // 16):
            yield self.micro_batch(windows, rows[group])

    def micro_batch(self, windows: Windows, rows: Ints) -> MicroBatch:
        """The windows `rows`, padded on the right to their longest."""
        length, first = windows.lengths[rows][:, None], windows.first[rows][:, None]
        at = np.arange(int(length.max()))
        inside = at < length
        items = self.items[np.where(inside, windows.start[rows][:, None] + at, 0)]
        labels = self.tokens[torch.from_numpy(items).to(self.device)]  # [B, L, M]
        inputs = F.pad(labels.flatten(1), (1, 0), value=START)[:, :-1]
        supervised = inside & (at >= np.where(first == 1, 0, first))
        hidden = torch.from_numpy(~supervised).to(self.device).unsqueeze(-1)
        labels = labels.masked_fill(hidden, IGNORED).flatten(1)
        return MicroBatch(inputs, labels, int(supervised.sum()) * self.levels)


def summed_loss(network: Network, batch: MicroBatch, *, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy over the whole vocabulary, summed over the labels."""
    device = batch.inputs.device
    with bias_learning_attention(device):
        kept = batch.labels != IGNORED
        logits = network.logits(network(batch.inputs)[kept])
        return F.cross_entropy(
            logits, batch.labels[kept], reduction="sum", label_smoothing=smoothing
        )

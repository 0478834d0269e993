"""What the decoder-only network learns from: windows as rows of tokens, and the loss.

Axes: B windows of a micro-batch, L items of its longest, M levels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tokbench.nn.devices import bias_learning_attention, on_cuda, sent
from tokbench.nn.transformer import IGNORED, START, Grid, Windows, pack
from tokbench.types import Ints
from tokbench_causal.network import Network


@dataclass(frozen=True)
class MicroBatch:
    """What one forward and backward pass reads."""

    inputs: Tensor  # [B, L * M]
    labels: Tensor  # [B, L * M], IGNORED where nothing is supervised
    supervised: int  # labels that are


class Collator:
    """Windows over `items` as rows of tokens; `tokens` [N, M] are the tokens of each item."""

    def __init__(
        self, items: Ints, tokens: Ints, *, budget: int, device: str, grid: Grid | None = None
    ) -> None:
        self.items, self.budget, self.device, self.grid = items, budget, device, grid
        self.levels = tokens.shape[1]
        self.tokens = torch.from_numpy(tokens).to(device)

    def micro_batches(self, windows: Windows, rows: Ints) -> Iterator[MicroBatch]:
        """The windows `rows`, grouped by near length.

        Every token of a supervised item is a label once an epoch. A sequence's first item is one
        too: it follows START alone, which is how an empty history is continued.
        """
        lengths = windows.lengths[rows]
        if self.grid is not None:
            lengths = -(-lengths // self.grid.items) * self.grid.items
        lengths = lengths * self.levels
        for group in pack(lengths, budget=self.budget, overhead=self.budget // 16):
            yield self.micro_batch(windows, rows[group])

    def micro_batch(self, windows: Windows, rows: Ints) -> MicroBatch:
        """The windows `rows`, padded on the right to their longest, and to the grid if there is
        one."""
        length, first = windows.lengths[rows], windows.first[rows]
        longest = int(length.max())
        if self.grid is not None:
            longest = -(-longest // self.grid.items) * self.grid.items
            filling = np.zeros(-len(rows) % self.grid.windows, np.int64)
            rows = np.append(rows, filling)
            length, first = np.append(length, filling), np.append(first, filling)
        length, first = length[:, None], first[:, None]
        at = np.arange(longest)
        inside = at < length
        items = self.items[np.where(inside, windows.start[rows][:, None] + at, 0)]
        labels = self.tokens[sent(items, self.device)]  # [B, L, M]
        inputs = F.pad(labels.flatten(1), (1, 0), value=START)[:, :-1]
        supervised = inside & (at >= np.where(first == 1, 0, first))
        hidden = sent(~supervised, self.device).unsqueeze(-1)
        labels = labels.masked_fill(hidden, IGNORED).flatten(1)
        return MicroBatch(inputs, labels, int(supervised.sum()) * self.levels)


def summed_loss(network: Network, batch: MicroBatch, *, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy over the whole vocabulary, summed over the labels."""
    device = batch.inputs.device
    with bias_learning_attention(device):
        hidden, labels = network(batch.inputs), batch.labels
        if not on_cuda(device):  # a GPU would have to tell the host how many tokens are kept
            kept = labels != IGNORED
            hidden, labels = hidden[kept], labels[kept]
        return F.cross_entropy(
            network.logits(hidden).flatten(0, -2),
            labels.flatten(),
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=smoothing,
        )

"""Windows of items to micro-batches of tokens, with masks and labels.

    bidirectional  a window per target (the paper's way): all but the last item are the history,
                   the last is the target; T = 1
    causal         a window per user: an encoder token sees the tokens of its item and of earlier
                   items only, so that one pass of the encoder serves every target; T = length - 1

Axes: B windows of a micro-batch, L items of its longest, S = 1 + (L - 1) * M encoder positions,
T targets, M levels, N items. Every encoder input begins with START, so that it is never empty.
With `whole_items` an item is one position of M tokens, [B, S, M] and S = L.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tokbench.nn.devices import sent
from tokbench.nn.transformer.t5 import START
from tokbench.nn.transformer.windows import Windows, pack
from tokbench.types import Ints

IGNORED = -100  # the label of a token that is no target
Number = TypeVar("Number", int, Ints)


def up_to(lengths: Number, multiple: int) -> Number:
    """Rounded up to a multiple."""
    return -(-lengths // multiple) * multiple


@dataclass(frozen=True)
class MicroBatch:
    """What one forward and backward pass reads."""

    encoder: Tensor  # [B, S] or [B, S, M]
    encoder_allowed: Tensor | None  # broadcastable to [B, H, S, S]
    decoder: Tensor  # [B, T, M], START then the target's tokens but the last
    memory_length: Tensor | None  # [B or 1, T], encoder tokens that each target sees; None: all
    labels: Tensor  # [B, T, M], IGNORED where nothing is supervised
    supervised: int  # tokens that are


@dataclass(frozen=True)
class Grid:
    """Micro-batches are padded to multiples of these, so that few shapes occur, as each is recorded
    once as a CUDA graph (nn/cuda_graphs/backward.py)."""

    windows: int
    items: int


class Collator:
    """Turns windows over `items` into micro-batches; `tokens` [N, M] are those of each item."""

    def __init__(
        self,
        items: Ints,
        tokens: Ints,
        *,
        causal: bool,
        whole_items: bool = False,
        budget: int = 4096,
        overhead: int = 256,
        grid: Grid | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.levels, self.causal, self.device = tokens.shape[1], causal, device
        self.whole_items = whole_items
        self.positions = 1 if whole_items else self.levels  # of an item in the encoder
        self.budget, self.overhead, self.grid = budget, overhead, grid
        self.nothing = len(tokens)  # a pseudo-item of padding tokens
        self.items = np.append(items, self.nothing)
        padded = np.vstack([tokens, np.full((1, self.levels), START, np.int64)])
        self.tokens = torch.from_numpy(padded).to(device)

    def micro_batches(self, windows: Windows, rows: Ints) -> Iterator[MicroBatch]:
        """The windows `rows`, grouped by near length."""
        lengths = windows.lengths[rows]
        if self.grid is not None:
            lengths = up_to(lengths, self.grid.items)
        for group in pack(lengths * self.levels, budget=self.budget, overhead=self.overhead):
            yield self.micro_batch(windows, rows[group])

    def micro_batch(self, windows: Windows, rows: Ints) -> MicroBatch:
        """The windows `rows` padded to their longest, and to the grid if there is one."""
        real = len(rows)
        longest = int(windows.lengths[rows].max())
        if self.grid is not None:
            longest = up_to(longest, self.grid.items)
            filling = -real % self.grid.windows
            rows = np.append(rows, np.repeat(rows[:1], filling))  # not supervised
        lengths = windows.lengths[rows]
        memory_length: Tensor | None
        allowed: Tensor | None
        if self.causal:
            at = np.arange(longest)
            inside = at < lengths[:, None]
            supervised = inside & (at >= windows.first[rows][:, None])
            items = self.gather(windows.start[rows][:, None] + at, inside)
            history, targets, supervised = items[:, :-1], items[:, 1:], supervised[:, 1:]
            memory_length, allowed = self.causal_view(longest - 1)
        else:
            at = np.arange(longest - 1)
            inside = at < lengths[:, None] - 1
            history = self.gather(windows.start[rows][:, None] + at, inside)
            targets = self.gather(windows.stop[rows][:, None] - 1, np.ones((len(rows), 1), bool))
            supervised = np.ones((len(rows), 1), bool)
            memory_length, allowed = self.padded_view(lengths - 1, longest - 1)
        supervised[real:] = False
        labels = self.tokens[targets]
        decoder = torch.nn.functional.pad(labels[..., :-1], (1, 0), value=START)
        labels = labels.masked_fill(sent(~supervised, self.device).unsqueeze(-1), IGNORED)
        count = int(supervised.sum()) * self.levels
        return MicroBatch(self.flat(history), allowed, decoder, memory_length, labels, count)

    def read(self, start: Ints, stop: Ints) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Encoder input of the histories `items[start:stop]` to continue, [B] each: tokens [B, S],
        encoder mask, memory length [B, 1]."""
        lengths = stop - start
        longest = int(lengths.max(initial=0))
        at = np.arange(longest)
        items = self.gather(start[:, None] + at, at < lengths[:, None])
        memory_length, allowed = self.padded_view(lengths, longest)
        if self.causal:
            _, allowed = self.causal_view(longest)
        return self.flat(items), allowed, memory_length

    def gather(self, at: Ints, inside: NDArray[np.bool_]) -> Tensor:
        """Items at flat positions, `nothing` where not inside."""
        return sent(self.items[np.where(inside, at, -1)], self.device)

    def flat(self, items: Tensor) -> Tensor:
        """[B, L] items as encoder tokens [B, 1 + L * M], or [B, 1 + L, M] of whole items."""
        tokens = self.tokens[items]
        if self.whole_items:
            return torch.nn.functional.pad(tokens, (0, 0, 1, 0), value=START)
        return torch.nn.functional.pad(tokens.flatten(1), (1, 0), value=START)

    def padded_view(self, lengths: Ints, longest: int) -> tuple[Tensor | None, Tensor | None]:
        """(memory length [B, 1], encoder mask [B, 1, 1, S]) of a target after `lengths` items each.

        None and None where nothing is padded, unless a grid wants all micro-batches alike.
        """
        if self.grid is None and (lengths == longest).all():
            return None, None
        memory_length = sent(1 + lengths * self.positions, self.device).unsqueeze(1)
        at = torch.arange(1 + longest * self.positions, device=self.device)
        return memory_length, (at < memory_length)[:, None, None]

    def causal_view(self, length: int) -> tuple[Tensor, Tensor]:
        """(memory length [1, length], encoder mask [S, S]) of targets after 1..length items.

        START is block 0 and item i (from 1) block i; a token sees its own and earlier blocks.
        Padding lies to the right, where no target sees it, and needs no mask of its own.
        """
        items = torch.arange(1, length + 1, device=self.device)
        block = torch.nn.functional.pad(items.repeat_interleave(self.positions), (1, 0))
        return 1 + items.unsqueeze(0) * self.positions, block <= block[:, None]

"""Item sequences to training chunks: windows, near-length packing, tokens and masks.

A window is a run of consecutive items of one user. Its first item is only ever read; every later
one is read by the targets after it, and is itself a target where the window supervises it.

    bidirectional  a window per target (the paper's way): all but the last item are the history,
                   the last is the target; T = 1
    causal         a window per user: an encoder token sees the tokens of its item and of earlier
                   items only, so that one pass of the encoder serves every target; T = length - 1

Axes: B windows of a chunk, L items of its longest, S = 1 + (L - 1) * M encoder tokens, T targets,
M levels, N items. Every encoder input begins with START, so that it is never empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tokbench.nn.devices import sent
from tokbench.nn.transformer.t5 import START

Ints = NDArray[np.int64]
IGNORED = -100  # the label of a token that is no target


@dataclass(frozen=True)
class Windows:
    """Runs `items[start:stop]` of which the targets are those from position `first` on."""

    start: Ints
    stop: Ints
    first: Ints

    def __len__(self) -> int:
        return len(self.start)

    @property
    def lengths(self) -> Ints:
        """Items in each window."""
        return self.stop - self.start


def prefix_windows(offsets: Ints, history: int) -> Windows:
    """A window for every item but a sequence's first: it and at most `history` items before it."""
    row_start = np.repeat(offsets[:-1], np.diff(offsets))
    target = np.arange(offsets[-1], dtype=np.int64)
    kept = target > row_start
    target, row_start = target[kept], row_start[kept]
    start = np.maximum(row_start, target - history)
    return Windows(start, target + 1, target - start)


def sequence_windows(offsets: Ints, history: int) -> Windows:
    """As few windows as supervise every item but a sequence's first exactly once.

    A sequence of up to `history + 1` items is one window. A longer one continues in windows of
    that length, of which the last half is supervised: each target has at least half of `history`
    items before it.
    """
    stride = max(1, -(-history // 2))
    begin, end = offsets[:-1], offsets[1:]
    starts, stops, firsts = [begin], [np.minimum(begin + history + 1, end)], [np.ones_like(begin)]
    while (stops[-1] < end).any():
        more = stops[-1] < end
        begin, end, done = starts[-1][more], end[more], stops[-1][more]
        stop = np.minimum(done + stride, end)
        start = stop - (history + 1)
        starts, stops, firsts = [*starts, start], [*stops, stop], [*firsts, done - start]
    windows = [np.concatenate(part) for part in (starts, stops, firsts)]
    kept = windows[2] < windows[1] - windows[0]
    start, stop, first = (part[kept] for part in windows)
    return Windows(start, stop, first)


def pack(lengths: Ints, *, budget: int, overhead: int) -> list[Ints]:
    """Rows grouped by near length so that the padded size, plus `overhead` a group, is least.

    `lengths` [B] and the other two are counted in the same unit; no group's padded size exceeds
    `budget` (unless one row does). Groups are of ascending length, rows in a group ascending, so
    equal input gives equal groups. Exact by dynamic programming over the distinct lengths.
    """
    if len(lengths) == 0:
        return []
    order = np.argsort(lengths, kind="stable")
    values, counts = np.unique(lengths, return_counts=True)
    upto = np.concatenate([[0], np.cumsum(counts)])
    best, cut = np.zeros(len(values) + 1), np.zeros(len(values) + 1, np.int64)
    for j in range(1, len(values) + 1):  # the last group ends with length j - 1, begins at some i
        padded = (upto[j] - upto[:j]) * values[j - 1]
        cost = best[:j] + padded + overhead * np.ceil(padded / budget)
        cut[j] = int(cost.argmin())
        best[j] = cost[cut[j]]
    groups: list[Ints] = []
    j = len(values)
    while j > 0:
        rows = order[upto[cut[j]] : upto[j]]
        most = max(1, budget // int(values[j - 1]))
        pieces = -(-len(rows) // most)
        groups += [np.sort(piece) for piece in np.array_split(rows, pieces)][::-1]
        j = int(cut[j])
    return groups[::-1]


def up_to(lengths: Any, multiple: int) -> Any:
    """Rounded up to a multiple."""
    return -(-lengths // multiple) * multiple


@dataclass(frozen=True)
class Chunk:
    """What one forward and backward pass reads."""

    encoder: Tensor  # [B, S]
    encoder_allowed: Tensor | None  # broadcastable to [B, H, S, S]
    decoder: Tensor  # [B, T, M], START then the target's tokens but the last
    ends: Tensor | None  # [B or 1, T], how many encoder tokens each target sees; None: all
    labels: Tensor  # [B, T, M], IGNORED where nothing is supervised
    supervised: int  # tokens that are


@dataclass(frozen=True)
class Grid:
    """Chunks are padded to multiples of these, so that few shapes occur (see nn/graphs.py)."""

    windows: int
    items: int


class Packer:
    """Turns windows over `items` into chunks; `tokens` [N, M] are the tokens of each item."""

    def __init__(
        self,
        items: Ints,
        tokens: Ints,
        *,
        causal: bool,
        budget: int = 4096,
        overhead: int = 256,
        grid: Grid | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.levels, self.causal, self.device = tokens.shape[1], causal, device
        self.budget, self.overhead, self.grid = budget, overhead, grid
        self.nothing = len(tokens)  # a pseudo-item of padding tokens
        self.items = np.append(items, self.nothing)
        padded = np.vstack([tokens, np.full((1, self.levels), START, np.int64)])
        self.tokens = torch.from_numpy(padded).to(device)

    def chunks(self, windows: Windows, rows: Ints) -> Iterator[Chunk]:
        """The windows `rows`, grouped by near length."""
        lengths = windows.lengths[rows]
        if self.grid is not None:
            lengths = up_to(lengths, self.grid.items)
        for group in pack(lengths * self.levels, budget=self.budget, overhead=self.overhead):
            yield self.chunk(windows, rows[group])

    def chunk(self, windows: Windows, rows: Ints) -> Chunk:
        """The windows `rows` padded to their longest, and to the grid if there is one."""
        real = len(rows)
        longest = int(windows.lengths[rows].max())
        if self.grid is not None:
            longest = int(up_to(np.int64(longest), self.grid.items))
            filling = -real % self.grid.windows
            rows = np.append(rows, np.repeat(rows[:1], filling))  # not supervised
        lengths = windows.lengths[rows]
        ends: Tensor | None
        allowed: Tensor | None
        if self.causal:
            at = np.arange(longest)
            inside = at < lengths[:, None]
            supervised = inside & (at >= windows.first[rows][:, None])
            items = self.gather(windows.start[rows][:, None] + at, inside)
            history, targets, supervised = items[:, :-1], items[:, 1:], supervised[:, 1:]
            ends, allowed = self.causal_view(longest - 1)
        else:
            at = np.arange(longest - 1)
            inside = at < lengths[:, None] - 1
            history = self.gather(windows.start[rows][:, None] + at, inside)
            targets = self.gather(windows.stop[rows][:, None] - 1, np.ones((len(rows), 1), bool))
            supervised = np.ones((len(rows), 1), bool)
            ends, allowed = self.padded_view(lengths - 1, longest - 1)
        supervised[real:] = False
        labels = self.tokens[targets]
        decoder = torch.nn.functional.pad(labels[..., :-1], (1, 0), value=START)
        labels = labels.masked_fill(sent(~supervised, self.device).unsqueeze(-1), IGNORED)
        count = int(supervised.sum()) * self.levels
        return Chunk(self.flat(history), allowed, decoder, ends, labels, count)

    def read(self, start: Ints, stop: Ints) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Encoder input of the histories `items[start:stop]` to continue, [B] each: tokens [B, S],
        encoder mask, ends [B, 1]."""
        lengths = stop - start
        longest = int(lengths.max(initial=0))
        at = np.arange(longest)
        items = self.gather(start[:, None] + at, at < lengths[:, None])
        ends, allowed = self.padded_view(lengths, longest)
        if self.causal:
            _, allowed = self.causal_view(longest)
        return self.flat(items), allowed, ends

    def gather(self, at: Ints, inside: NDArray[np.bool_]) -> Tensor:
        """Items at flat positions, `nothing` where not inside."""
        return sent(self.items[np.where(inside, at, -1)], self.device)

    def flat(self, items: Tensor) -> Tensor:
        """[B, L] items as encoder tokens [B, 1 + L * M]."""
        return torch.nn.functional.pad(self.tokens[items].flatten(1), (1, 0), value=START)

    def padded_view(self, lengths: Ints, longest: int) -> tuple[Tensor | None, Tensor | None]:
        """(ends [B, 1], encoder mask [B, 1, 1, S]) of one target after `lengths` items each.

        None and None where nothing is padded, unless a grid asks for chunks that are all alike.
        """
        if self.grid is None and (lengths == longest).all():
            return None, None
        ends = sent(1 + lengths * self.levels, self.device).unsqueeze(1)
        at = torch.arange(1 + longest * self.levels, device=self.device)
        return ends, (at < ends)[:, None, None]

    def causal_view(self, length: int) -> tuple[Tensor, Tensor]:
        """(ends [1, length], encoder mask [S, S]) of targets after 1..length items.

        START is block 0 and item i (from 1) block i; a token sees its own and earlier blocks.
        Padding lies to the right, where no target sees it, and needs no mask of its own.
        """
        items = torch.arange(1, length + 1, device=self.device)
        block = torch.nn.functional.pad(items.repeat_interleave(self.levels), (1, 0))
        return 1 + items.unsqueeze(0) * self.levels, block <= block[:, None]

"""Windows over item sequences, and groups of near length.

A window is a run of consecutive items of one user. Its first item is only ever read; every later
one is read by the targets after it, and is itself a target where the window supervises it.

Axes: B windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tokbench.types import Ints


@dataclass(frozen=True)
class Windows:
    """Runs `items[start:stop]` of which the targets are those from position `first` on."""

    start: Ints
    stop: Ints
    first: Ints

    def __len__(self) -> int:
        return len(self.start)

    @cached_property
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

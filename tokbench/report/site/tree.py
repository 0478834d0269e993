"""The code table of a run as a tree of prefixes: what a page needs to unfold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tokbench.types import SemanticIds

EXAMPLES = 3


@dataclass(frozen=True)
class Branch:
    """A first code: how many items and tuples stand below it, and its first items."""

    code: int
    items: int
    tuples: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Tree:
    """Items in the order of their tuples, so that a prefix is a run of them."""

    level_sizes: tuple[int, ...]
    branches: tuple[Branch, ...]
    data: dict[str, object]  # for the script of the page

    @property
    def items(self) -> int:
        """How many stand in it."""
        return sum(branch.items for branch in self.branches)


def tree_of(ids: SemanticIds, titles: Sequence[str] | None) -> Tree:
    """`titles` [N], row n for item n; without them items go by their number."""
    order = np.lexsort(ids.codes.T[::-1])  # by the first code, then the second, ...
    names = [f"item {n}" for n in order] if titles is None else [titles[n] for n in order]
    codes = ids.codes[order]
    starts = np.flatnonzero(np.diff(codes[:, 0], prepend=-1))
    ends = [*starts[1:].tolist(), len(codes)]
    branches = [
        Branch(
            code=int(codes[start, 0]),
            items=end - start,
            tuples=len(np.unique(codes[start:end], axis=0)),
            examples=tuple(names[start : min(end, start + EXAMPLES)]),
        )
        for start, end in zip(starts.tolist(), ends, strict=True)
    ]
    data: dict[str, object] = {
        "levels": ids.levels,
        "codes": codes.reshape(-1).tolist(),
        "items": order.tolist(),
        "titles": None if titles is None else names,
    }
    return Tree(ids.level_sizes, tuple(branches), data)

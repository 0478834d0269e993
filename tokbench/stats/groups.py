"""Rank groups: rows that share a letter cannot be told apart, so a rank is a group.

A compact letter display by insert and absorb (Piepho 2004, doi 10.1198/1061860043515): start with
one letter for all rows; for every pair that differs, split each letter that both carry in two, one
without either row; drop letters that another covers. Two rows then share a letter exactly if they
were not told apart.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from tokbench.stats.estimate import LEVEL
from tokbench.stats.family_wise import adjusted
from tokbench.stats.sample import Sample


def group_letters(rows: Sequence[Sample]) -> list[str]:
    """Letters of each row, in the board's order: `a` has the first; 5 % over all pairs.

    A row of which nobody knows what another run would vary has none; where that is so of every row
    that is trained, no row has one: over users alone equal methods get different letters on 17 %
    of the boards.
    """
    known = [n for n, row in enumerate(rows) if row.covers_runs]
    if not any(rows[n].runs for n in known) and len(known) < len(rows):
        return [""] * len(rows)
    differ = np.triu(adjusted([rows[n] for n in known]) < LEVEL, 1)
    found = dict(zip(known, letters(differ), strict=True))
    return [found.get(n, "") for n in range(len(rows))]


def letters(differ: NDArray[np.bool_]) -> list[str]:
    """Of each row; `differ` [R, R] marks pairs i < j that were told apart."""
    rows = len(differ)
    columns = [frozenset(range(rows))]
    for i, j in zip(*np.nonzero(differ), strict=True):
        pair = {int(i), int(j)}
        split = [column - {row} if pair <= column else column for column in columns for row in pair]
        columns = _absorbed(split)
    columns.sort(key=sorted)
    return [
        "".join(_letter(n) for n, column in enumerate(columns) if row in column)
        for row in range(rows)
    ]


def _absorbed(columns: Iterable[frozenset[int]]) -> list[frozenset[int]]:
    """Without those that another one covers."""
    distinct = set(columns)
    return [column for column in distinct if not any(column < other for other in distinct)]


def _letter(n: int) -> str:
    """a, b, ... z, A, ... Z, then a1, b1, ..."""
    turn, place = divmod(n, len(string.ascii_letters))
    return string.ascii_letters[place] + (str(turn) if turn else "")

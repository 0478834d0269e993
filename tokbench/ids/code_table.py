"""A code table: the code tuple of every item by item id, apart from any dataset.

Axes: N items, M levels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tokbench.errors import ConfigError, DatasetError, Fault, shown, stop
from tokbench.types import Ints, SemanticIds

USUAL_SIZE, PER_ITEM = 2**16, 8  # a level has at most so many codes, or so many for each item
RENUMBER = "a generator holds a vector for every code of a level: number the codes from 0"


@dataclass(frozen=True, eq=False)
class CodeTable:
    """Codes by item id, as a file has them: row n of `ids` belongs to `item_ids[n]`."""

    item_ids: tuple[str, ...]  # [N], distinct and not empty
    ids: SemanticIds
    sizes_known: bool = True  # False: a level's size is its largest code + 1

    def __post_init__(self) -> None:
        assert len(self.item_ids) == len(self.ids), "one row of codes per item id"
        assert len(set(self.item_ids)) == len(self.item_ids), "item ids are distinct"

    def __len__(self) -> int:
        return len(self.item_ids)

    def rows_of(self, item_ids: Sequence[str]) -> Ints:
        """The row of each of these items, -1 where the table has none."""
        row = {item: n for n, item in enumerate(self.item_ids)}
        return np.fromiter((row.get(item, -1) for item in item_ids), np.int64, len(item_ids))


class ItemCodes(NamedTuple):
    """One item as a file has it, nothing checked yet."""

    item: object
    codes: Sequence[object]
    line: int | None = None  # from 1, in formats that have lines


class Found(NamedTuple):
    """What a format's reader hands over: rows, and level sizes where the file holds them."""

    rows: list[ItemCodes]
    level_sizes: tuple[int, ...] | None = None


def make_table(
    found: Found, path: Path, *, fault: Fault = stop, level_sizes: Sequence[int] = ()
) -> CodeTable:
    """The table of the sound rows; each other row goes to `fault` and is left out.

    `level_sizes` overrules what the file says. Rows are expected to be as long as most are.
    Raises DatasetError when no row is left, ConfigError when `level_sizes` do not fit.
    """
    if not found.rows:
        raise DatasetError("no items", path=path, remedy="a code table has a row for each item")
    levels = Counter(len(row.codes) for row in found.rows).most_common(1)[0][0]
    if not levels:
        raise DatasetError("rows without codes", path=path, remedy="an item has at least one code")
    sizes = _sizes(level_sizes, found.level_sizes, levels, path)
    most = largest_size(len(found.rows))
    for level, size in enumerate(sizes, 1):
        if size > most:
            problem = f"level {level} has {size} codes for {len(found.rows)} items, allowed: {most}"
            raise DatasetError(problem, path=path, remedy=RENUMBER)
    kept: dict[str, Sequence[object]] = {}
    first = ""
    for row in found.rows:
        item = read_id(row.item)
        problem, remedy = _problem(row, item, levels, sizes, most)
        if not problem and item in kept:
            problem = f"item {shown(item)} is there twice"
        if problem:
            first = first or problem
            fault(DatasetError(problem, path=path, line=row.line, remedy=remedy))
        else:
            assert item is not None
            kept[item] = row.codes
    if not kept:
        problem = f"none of {len(found.rows)} rows can be used, the first: {first}"
        raise DatasetError(problem, path=path)
    codes = np.array(list(kept.values()), dtype=np.int32)
    inferred = tuple(int(largest) + 1 for largest in codes.max(axis=0))
    return CodeTable(tuple(kept), SemanticIds(codes, sizes or inferred), sizes_known=bool(sizes))


def largest_size(items: int) -> int:
    """The most codes that a level of a table of so many items may have."""
    return max(USUAL_SIZE, PER_ITEM * items)


def read_id(value: object) -> str | None:
    """An identifier as text (whole numbers are accepted), or None where it is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value:
        return None
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair
        return None
    return value


def _sizes(
    asked: Sequence[int], stored: tuple[int, ...] | None, levels: int, path: Path
) -> tuple[int, ...]:
    """Level sizes as asked for, or as stored; () where neither is there."""
    if asked and len(asked) != levels:
        raise ConfigError(
            f"level_sizes has {len(asked)} entries, the tuples of {path} have {levels} codes"
        )
    if stored is not None and len(stored) != levels:
        raise DatasetError(f"{len(stored)} level sizes for {levels} levels", path=path)
    return tuple(asked) or stored or ()


def _problem(
    row: ItemCodes, item: str | None, levels: int, sizes: tuple[int, ...], most: int
) -> tuple[str, str]:
    """What is wrong with a row, without its place in the file, and the remedy; '' for nothing."""
    if item is None:
        remedy = "ids are text that is not empty, or whole numbers"
        return f"{shown(row.item)} is no item id", remedy
    if len(row.codes) != levels:
        return f"item {shown(item)} has {len(row.codes)} codes, most items have {levels}", ""
    for level, code in enumerate(row.codes):
        where = f"item {shown(item)}, level {level + 1}"
        if not isinstance(code, int) or isinstance(code, bool):
            return f"{where}: {shown(code)} is not an integer", "codes are whole numbers from 0 up"
        if code < 0:
            return f"{where}: code {shown(code)} is negative", "codes are whole numbers from 0 up"
        if sizes and code >= sizes[level]:
            return f"{where}: code {shown(code)} is not below the level's size, {sizes[level]}", ""
        if code >= most:
            return f"{where}: code {shown(code)} is above {most - 1}", RENUMBER
    return "", ""


def read_sizes(value: object, path: Path) -> tuple[int, ...] | None:
    """Level sizes from a file's own notes; None where there are none."""
    if value is None:
        return None
    remedy = "give a list of whole numbers from 1 up"
    if not isinstance(value, list):
        raise DatasetError(f"level_sizes is {shown(value)}", path=path, remedy=remedy)
    for size in value:
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise DatasetError(f"level_sizes holds {shown(size)}", path=path, remedy=remedy)
    return tuple(value)

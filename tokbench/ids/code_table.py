"""A code table: the code tuple of every item by item id, apart from any dataset.

Axes: N items, M levels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from tokbench.errors import ConfigError, DatasetError
from tokbench.types import Ints, SemanticIds

LARGEST_CODE = 2**31 - 2  # a level size of one more still fits 32 bits

Fault = Callable[[DatasetError], None]


def stop(error: DatasetError) -> NoReturn:
    """The strict `fault`: the first error ends the reading."""
    raise error


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


class Row(NamedTuple):
    """One item as a file has it, nothing checked yet."""

    item: object
    codes: Sequence[object]
    line: int | None = None  # from 1, in formats that have lines


class Found(NamedTuple):
    """What a format's reader hands over: rows, and level sizes where the file holds them."""

    rows: list[Row]
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
    kept: dict[str, Sequence[object]] = {}
    for row in found.rows:
        item = read_id(row.item)
        problem = _problem(row, item, levels, sizes)
        if not problem and item in kept:
            problem = f"item {item!r} is there twice"
        if problem:
            fault(DatasetError(problem, path=path, line=row.line))
        else:
            assert item is not None
            kept[item] = row.codes
    if not kept:
        raise DatasetError(f"none of {len(found.rows)} rows can be used", path=path)
    codes = np.array(list(kept.values()), dtype=np.int32)
    inferred = tuple(int(largest) + 1 for largest in codes.max(axis=0))
    return CodeTable(tuple(kept), SemanticIds(codes, sizes or inferred), sizes_known=bool(sizes))


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


def _problem(row: Row, item: str | None, levels: int, sizes: tuple[int, ...]) -> str:
    """What is wrong with a row, without its place in the file; '' for a sound one."""
    if item is None:
        return f"{row.item!r} is no item id (ids are text that is not empty, or whole numbers)"
    if len(row.codes) != levels:
        return f"item {item!r} has {len(row.codes)} codes, most items have {levels}"
    for level, code in enumerate(row.codes):
        where = f"item {item!r}, level {level + 1}"
        if not isinstance(code, int) or isinstance(code, bool):
            return f"{where}: {code!r} is not an integer"
        if code < 0:
            return f"{where}: code {code} is negative"
        if code > LARGEST_CODE:
            return f"{where}: code {code} is above {LARGEST_CODE}"
        if sizes and code >= sizes[level]:
            return f"{where}: code {code} is not below the level's size, {sizes[level]}"
    return ""


def read_sizes(value: object, path: Path) -> tuple[int, ...] | None:
    """Level sizes from a file's own notes; None where there are none."""
    if value is None:
        return None
    if isinstance(value, list) and all(
        isinstance(size, int) and not isinstance(size, bool) and 1 <= size <= LARGEST_CODE + 1
        for size in value
    ):
        return tuple(value)
    raise DatasetError(f"level_sizes is {value!r}", path=path, remedy="whole numbers from 1 up")

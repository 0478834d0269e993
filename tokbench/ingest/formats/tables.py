"""Items and interactions from the rows of a table: what csv, recbole and parquet have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tokbench.errors import DatasetError, Fault, shown
from tokbench.ingest.formats.columns import Columns, item_fields
from tokbench.ingest.formats.rows import Event, Item
from tokbench.ingest.formats.values import instant

# What the files of a dataset in tables are called.
EVENTS = "interactions interaction inter ratings rating reviews review events clicks behaviors log"
ITEMS = "items item products product movies news books articles meta metadata catalog catalogue"
Rows = Iterator[tuple[int, Sequence[object]]]  # line or row number from 1, a cell for each column


class OpenTable(NamedTuple):
    """A table being read: distinct names of columns, and rows as wide as the header."""

    path: Path
    names: list[str]
    rows: Rows
    vectors: frozenset[str] = frozenset()  # columns that hold vectors: not kept
    words: bool = False  # blanks may part the names of a category


def checked_names(names: list[str], path: Path) -> list[str]:
    """The names of a header. Raises DatasetError where two are the same."""
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        remedy = f"the columns are {', '.join(names)}"
        raise DatasetError(f"two columns {shown(twice[0])}", path=path, line=1, remedy=remedy)
    return names


def fitting(rows: Rows, width: int, path: Path, fault: Fault, remedy: str) -> Rows:
    """The rows of `width` cells; any other is a fault."""
    for line, cells in rows:
        if len(cells) == width:
            yield line, cells
        else:
            problem = f"{len(cells)} cells, the header has {width}"
            fault(DatasetError(problem, path=path, line=line, remedy=remedy))


def items_of(table: OpenTable, columns: Columns) -> Iterator[Item]:
    """An item per row."""
    id_at, fields = columns.of_items(table.names, table.path, sorted(table.vectors))
    for line, cells in table.rows:
        raw = {n: c for n, c in zip(table.names, cells, strict=True) if n not in table.vectors}
        raw.pop(table.names[id_at])
        yield Item(line, cells[id_at], item_fields(raw, fields, words=table.words))


def events_of(table: OpenTable, columns: Columns, fault: Fault) -> Iterator[Event]:
    """An event per row; a row whose time cannot be read is a fault."""
    user_at, item_at, time_at = columns.of_events(table.names, table.path)
    for line, cells in table.rows:
        time = None if time_at is None else instant(cells[time_at])
        if time is None and time_at is not None:
            problem = f"{table.names[time_at]} is {shown(cells[time_at])}"
            remedy = "it must be a number or a date"
            fault(DatasetError(problem, path=table.path, line=line, remedy=remedy))
        else:
            yield Event(line, cells[user_at], cells[item_at], time)

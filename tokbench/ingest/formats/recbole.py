"""Format `recbole`: atomic files X.inter and X.item, tab separated, with a typed header.

    user_id:token   item_id:token   timestamp:float
    item_id:token   title:token     categories:token_seq

Types are token, token_seq (tokens parted by spaces), float and float_seq. Zhao et al., arXiv
2011.01731. Quotes have no meaning: a cell is what lies between two tabs. float_seq columns, which
hold vectors, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tokbench.datasets.lines import read_lines
from tokbench.errors import DatasetError, Fault, listed, shown
from tokbench.ingest.formats.columns import Columns
from tokbench.ingest.formats.locating import by_ending
from tokbench.ingest.formats.rows import Event, Files, Item
from tokbench.ingest.formats.tables import OpenTable, checked_names, events_of, fitting, items_of

TYPES = ("token", "token_seq", "float", "float_seq")


def find(source: Path, items: Path | None) -> Files | None:
    """X.inter with X.item beside it."""
    return by_ending(source, items, ".inter", ".item")


def read_items(path: Path, columns: Columns, fault: Fault) -> Iterator[Item]:
    """The rows of X.item."""
    return items_of(_open(path, fault), columns)


def read_events(path: Path, columns: Columns, fault: Fault) -> Iterator[Event]:
    """The rows of X.inter."""
    return events_of(_open(path, fault), columns, fault)


def _open(path: Path, fault: Fault) -> OpenTable:
    lines = read_lines(path, fault)
    _, header = next(lines, (1, ""))
    types: list[tuple[str, str]] = []
    for cell in header.split("\t"):
        name, _, kind = cell.strip().rpartition(":")
        if not name or kind not in TYPES:
            problem = f"column {shown(cell)} has no type" if header else "empty file"
            remedy = f"the first line has NAME:TYPE parted by tabs; types are {listed(TYPES)}"
            raise DatasetError(problem, path=path, line=1, remedy=remedy)
        types.append((name, kind))
    cells = ((line, text.split("\t")) for line, text in lines if text.strip())
    rows = fitting(cells, len(types), path, fault, "cells are parted by tabs and hold none")
    names = checked_names([name for name, _ in types], path)
    vectors = frozenset(name for name, kind in types if kind == "float_seq")
    return OpenTable(path, names, rows, vectors, words=True)

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

from tokbench.datasets.jsonl import Fault
from tokbench.errors import DatasetError, listed
from tokbench.ingest.formats.columns import Columns, item_fields
from tokbench.ingest.formats.event_rows import events_of
from tokbench.ingest.formats.gathering import Event, Files, Item
from tokbench.ingest.formats.locating import by_ending
from tokbench.ingest.formats.text_lines import text_lines
from tokbench.ingest.formats.values import shown

TYPES = ("token", "token_seq", "float", "float_seq")
Table = Iterator[tuple[int, list[str]]]


def find(source: Path, items: Path | None) -> Files | None:
    """X.inter with X.item beside it."""
    return by_ending(source, items, ".inter", ".item")


def read_items(path: Path, columns: Columns, fault: Fault) -> Iterator[Item]:
    """The rows of X.item."""
    names, vectors, rows = _open(path, fault)
    id_at = columns.of_item(names, path)
    for line, cells in rows:
        raw = {n: cell for n, cell in zip(names, cells, strict=True) if n not in vectors}
        item_id = raw.pop(names[id_at])
        yield Item(line, item_id, item_fields(raw, columns.title, words=True))


def read_events(path: Path, columns: Columns, fault: Fault) -> Iterator[Event]:
    """The rows of X.inter."""
    names, _, rows = _open(path, fault)
    yield from events_of(names, rows, columns, path, fault)


def _open(path: Path, fault: Fault) -> tuple[list[str], set[str], Table]:
    """Names of the columns, those that hold vectors, and the rows below the header."""
    lines = text_lines(path, fault)
    _, header = next(lines, (1, ""))
    names: list[str] = []
    vectors: set[str] = set()
    for cell in header.rstrip("\r\n").split("\t"):
        name, _, kind = cell.strip().rpartition(":")
        if not name or kind not in TYPES:
            problem = f"column {shown(cell)} has no type" if header else "empty file"
            remedy = f"the first line has NAME:TYPE parted by tabs; types are {listed(TYPES)}"
            raise DatasetError(problem, path=path, line=1, remedy=remedy)
        if name in names:
            raise DatasetError(f"two columns {shown(name)}", path=path, line=1)
        names.append(name)
        if kind == "float_seq":
            vectors.add(name)
    return names, vectors, _rows(lines, len(names), path, fault)


def _rows(lines: Iterator[tuple[int, str]], width: int, path: Path, fault: Fault) -> Table:
    for line, text in lines:
        text = text.rstrip("\r\n")
        if not text.strip():
            continue
        cells = text.split("\t")
        if len(cells) != width:
            problem = f"{len(cells)} cells, the header has {width}"
            remedy = "cells are parted by tabs and hold none"
            fault(DatasetError(problem, path=path, line=line, remedy=remedy))
            continue
        yield line, cells

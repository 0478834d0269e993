"""Format `csv`: two tables with a header line, parted by commas, tabs, semicolons or bars.

Cells may be quoted as RFC 4180 has it; a quoted cell may hold line ends. A row is placed at the
line it begins on.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from tokbench.datasets.jsonl import Fault
from tokbench.errors import DatasetError
from tokbench.ingest.formats.columns import Columns, item_fields
from tokbench.ingest.formats.event_rows import events_of
from tokbench.ingest.formats.gathering import Event, Files, Item
from tokbench.ingest.formats.locating import by_name
from tokbench.ingest.formats.text_lines import text_lines
from tokbench.ingest.formats.values import shown
from tokbench.ingest.lines import LONGEST

ENDINGS = (".csv", ".tsv")
PARTED_BY = (",", "\t", ";", "|")
EVENTS = "interactions interaction inter ratings rating reviews review events clicks behaviors log"
ITEMS = "items item products product movies news books articles meta metadata catalog catalogue"
Table = Iterator[tuple[int, list[str]]]


def find(source: Path, items: Path | None) -> Files | None:
    """Two tables, told apart by their names."""
    return by_name(source, items, ENDINGS, EVENTS, ITEMS)


def read_items(path: Path, columns: Columns, fault: Fault) -> Iterator[Item]:
    """The rows of the items table."""
    names, rows = _open(path, fault)
    id_at = columns.of_item(names, path)
    for line, cells in rows:
        raw = dict(zip(names, cells, strict=True))
        item_id = raw.pop(names[id_at])
        yield Item(line, item_id, item_fields(raw, columns.title))


def read_events(path: Path, columns: Columns, fault: Fault) -> Iterator[Event]:
    """The rows of the interactions table."""
    names, rows = _open(path, fault)
    yield from events_of(names, rows, columns, path, fault)


def _open(path: Path, fault: Fault) -> tuple[list[str], Table]:
    """Names of the columns, and the rows below the header."""
    header = next(text_lines(path, fault), (1, ""))[1]
    mark = max(PARTED_BY, key=header.count)  # the first of the likely ones, where none occurs
    rows = _rows(path, mark, fault)
    names = [name.strip() for name in next(rows, (1, []))[1]]
    if not names:
        remedy = "the first line names the columns"
        raise DatasetError("empty file", path=path, line=1, remedy=remedy)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DatasetError(f"two columns {shown(twice[0])}", path=path, line=1)
    return names, _fitting(rows, len(names), path, fault)


def _fitting(rows: Table, width: int, path: Path, fault: Fault) -> Table:
    for line, cells in rows:
        if len(cells) == width:
            yield line, cells
        elif cells:  # not a blank line
            problem = f"{len(cells)} cells, the header has {width}"
            remedy = "quote cells that hold the separator"
            fault(DatasetError(problem, path=path, line=line, remedy=remedy))


def _rows(path: Path, mark: str, fault: Fault) -> Table:
    lines = (text for _, text in text_lines(path, fault))
    reader = csv.reader(lines, delimiter=mark, strict=True)
    line = 1
    before = csv.field_size_limit(LONGEST)  # one limit for the whole process: put back below
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        remedy = "is a quote left open?"
        raise DatasetError(str(error), path=path, line=line, remedy=remedy) from error
    finally:
        csv.field_size_limit(before)

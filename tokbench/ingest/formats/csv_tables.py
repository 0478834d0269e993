"""Format `csv`: two tables with a header line, parted by commas, tabs, semicolons or bars.

Cells may be quoted as RFC 4180 has it; a quoted cell may hold line ends. A row is placed at the
line it begins on.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from tokbench.datasets.lines import LONGEST, read_lines
from tokbench.errors import DatasetError, Fault
from tokbench.ingest.formats.columns import Columns
from tokbench.ingest.formats.locating import by_name
from tokbench.ingest.formats.rows import Event, Files, Item
from tokbench.ingest.formats.tables import (
    EVENTS,
    ITEMS,
    OpenTable,
    checked_names,
    events_of,
    fitting,
    items_of,
)

ENDINGS = (".csv", ".tsv")
PARTED_BY = (",", "\t", ";", "|")


def find(source: Path, items: Path | None) -> Files | None:
    """Two tables, told apart by their names."""
    return by_name(source, items, ENDINGS, EVENTS, ITEMS)


def read_items(path: Path, columns: Columns, fault: Fault) -> Iterator[Item]:
    """The rows of the items table."""
    return items_of(_open(path, fault), columns)


def read_events(path: Path, columns: Columns, fault: Fault) -> Iterator[Event]:
    """The rows of the interactions table."""
    return events_of(_open(path, fault), columns, fault)


def _open(path: Path, fault: Fault) -> OpenTable:
    header = next(read_lines(path, fault), (1, ""))[1]
    mark = max(PARTED_BY, key=header.count)  # the first of the likely ones, where none occurs
    rows = _rows(path, mark, fault)
    names = [name.strip() for name in next(rows, (1, []))[1]]
    if not names:
        remedy = "the first line names the columns"
        raise DatasetError("empty file", path=path, line=1, remedy=remedy)
    remedy = "quote cells that hold the separator"
    fit = fitting(rows, len(names), path, fault, remedy)
    return OpenTable(path, checked_names(names, path), fit)


def _rows(path: Path, mark: str, fault: Fault) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank."""
    lines = (text + "\n" for _, text in read_lines(path, fault))
    reader = csv.reader(lines, delimiter=mark, strict=True)
    line = 1
    before = csv.field_size_limit(LONGEST)  # one limit for the whole process: put back below
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        remedy = "is a quote left open?"
        raise DatasetError(str(error), path=path, line=line, remedy=remedy) from error
    finally:
        csv.field_size_limit(before)

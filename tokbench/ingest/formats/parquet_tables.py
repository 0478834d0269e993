"""Format `parquet`: two tables, read in batches. Needs the extra `parquet`.

Where an error names a line it is the number of the row, from 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tokbench.errors import Fault
from tokbench.ids.parquet_table import pyarrow_parquet, unreadable
from tokbench.ingest.formats.columns import Columns
from tokbench.ingest.formats.locating import by_name
from tokbench.ingest.formats.rows import Event, Files, Item
from tokbench.ingest.formats.tables import (
    EVENTS,
    ITEMS,
    OpenTable,
    Rows,
    checked_names,
    events_of,
    items_of,
)

ENDINGS = (".parquet",)
BATCH = 16_384  # rows in memory at a time


def find(source: Path, items: Path | None) -> Files | None:
    """Two tables, told apart by their names."""
    return by_name(source, items, ENDINGS, EVENTS, ITEMS)


def read_items(path: Path, columns: Columns, fault: Fault) -> Iterator[Item]:
    """The rows of the items table."""
    names = _names(path)
    return items_of(OpenTable(path, names, _rows(path, names)), columns)


def read_events(path: Path, columns: Columns, fault: Fault) -> Iterator[Event]:
    """The rows of the interactions table, of which only the columns needed are read."""
    names = _names(path)
    wanted = [names[at] for at in columns.of_events(names, path) if at is not None]
    note = columns.notes[path.name]
    yield from events_of(OpenTable(path, wanted, _rows(path, wanted)), columns, fault)
    columns.notes[path.name] = note


def _names(path: Path) -> list[str]:
    arrow = pyarrow_parquet()
    try:
        with arrow.parquet.ParquetFile(path) as file:
            names = [str(name) for name in file.schema_arrow.names]
    except (OSError, ValueError, arrow.ArrowException) as error:
        raise unreadable(path, error) from error
    return checked_names(names, path)


def _rows(path: Path, names: Sequence[str]) -> Rows:
    arrow = pyarrow_parquet()
    row = 0
    try:
        with arrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH, columns=list(names)):
                lists = [batch.column(name).to_pylist() for name in names]
                for cells in zip(*lists, strict=True):
                    row += 1
                    yield row, cells
    except (OSError, ValueError, KeyError, OverflowError, arrow.ArrowException) as error:
        raise unreadable(path, error) from error

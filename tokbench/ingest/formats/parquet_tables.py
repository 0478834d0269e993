"""Format `parquet`: two tables, read in batches. Needs the extra `parquet`.

Where an error names a line it is the number of the row, from 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tokbench.datasets.jsonl import Fault
from tokbench.errors import DatasetError, MissingExtraError
from tokbench.ingest.formats.columns import Columns, item_fields
from tokbench.ingest.formats.csv_tables import EVENTS, ITEMS
from tokbench.ingest.formats.gathering import Event, Files, Item
from tokbench.ingest.formats.locating import by_name
from tokbench.ingest.formats.values import instant, shown

ENDINGS = (".parquet",)
BATCH = 16_384  # rows in memory at a time


def find(source: Path, items: Path | None) -> Files | None:
    """Two tables, told apart by their names."""
    return by_name(source, items, ENDINGS, EVENTS, ITEMS)


def read_items(path: Path, columns: Columns, fault: Fault) -> Iterator[Item]:
    """The rows of the items table."""
    names = _names(path)
    id_at = columns.of_item(names, path)
    for row, cells in _rows(path, names):
        raw = dict(zip(names, cells, strict=True))
        item_id = raw.pop(names[id_at])
        yield Item(row, item_id, item_fields(raw, columns.title))


def read_events(path: Path, columns: Columns, fault: Fault) -> Iterator[Event]:
    """The rows of the interactions table."""
    names = _names(path)
    user_at, item_at, time_at = columns.of_events(names, path)
    wanted = [names[at] for at in (user_at, item_at, time_at) if at is not None]
    for row, (user, item, *timed) in _rows(path, wanted):
        time = instant(timed[0]) if timed else None
        if timed and time is None:
            problem = f"{wanted[2]} is {shown(timed[0])}"
            remedy = "it must be a number or a date"
            fault(DatasetError(problem, path=path, line=row, remedy=remedy))
            continue
        yield Event(row, user, item, time)


def _names(path: Path) -> list[str]:
    arrow = _arrow()
    try:
        with arrow.parquet.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
    except (OSError, ValueError, arrow.ArrowException) as error:
        raise _unreadable(path, error) from error
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DatasetError(f"two columns {shown(twice[0])}", path=path)
    return names


def _rows(path: Path, names: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
    arrow = _arrow()
    row = 0
    try:
        with arrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH, columns=list(names)):
                lists = [batch.column(name).to_pylist() for name in names]
                for cells in zip(*lists, strict=True):
                    row += 1
                    yield row, cells
    except (OSError, ValueError, KeyError, OverflowError, arrow.ArrowException) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DatasetError:
    return DatasetError(f"not a readable parquet file: {str(error).partition('. ')[0]}", path=path)


def _arrow() -> Any:
    """pyarrow with its parquet module. Raises MissingExtraError."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("format parquet", package="pyarrow", extra="parquet") from error
    return pyarrow

"""Interactions from the rows of a table of texts: what csv and recbole have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tokbench.datasets.jsonl import Fault
from tokbench.errors import DatasetError
from tokbench.ingest.formats.columns import Columns
from tokbench.ingest.formats.gathering import Event
from tokbench.ingest.formats.values import instant, shown


def events_of(
    names: Sequence[str],
    rows: Iterable[tuple[int, Sequence[str]]],
    columns: Columns,
    path: Path,
    fault: Fault,
) -> Iterator[Event]:
    """An event per row (line, cells); a row whose time cannot be read is a fault."""
    user_at, item_at, time_at = columns.of_events(names, path)
    for line, cells in rows:
        time = None if time_at is None else instant(cells[time_at])
        if time is None and time_at is not None:
            problem = f"{names[time_at]} is {shown(cells[time_at])}"
            remedy = "it must be a number or a date"
            fault(DatasetError(problem, path=path, line=line, remedy=remedy))
            continue
        yield Event(line, cells[user_at], cells[item_at], time)

"""Format `folder`: items.jsonl and sequences.jsonl, item fields as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tokbench.datasets.jsonl import Fault, kind, read_objects
from tokbench.datasets.layout import ITEMS, SEQUENCES
from tokbench.errors import DatasetError, listed
from tokbench.ingest.formats.columns import Columns
from tokbench.ingest.formats.gathering import Event, Files, Item
from tokbench.ingest.formats.values import Instant, instant, plain, shown


def find(source: Path, items: Path | None) -> Files | None:
    """sequences.jsonl in the folder `source`, or `source` itself, with items.jsonl beside it."""
    sequences = source / SEQUENCES if source.is_dir() else source
    if not sequences.is_file() or sequences.suffix != ".jsonl":
        return None
    catalogue = items or sequences.with_name(ITEMS)
    if not catalogue.is_file():
        raise DatasetError("no such file", path=catalogue, remedy="a folder holds both files")
    return Files(catalogue, sequences)


def read_items(path: Path, columns: Columns, fault: Fault) -> Iterator[Item]:
    """One item a line."""
    for line, row in read_objects(path, fault):
        fields = {name: plain(value) for name, value in row.items() if name != "item_id"}
        yield Item(line, row.get("item_id"), fields)


def read_events(path: Path, columns: Columns, fault: Fault) -> Iterator[Event]:
    """One user a line; a user's items are taken in time order, or as listed where there is none."""
    seen: set[str] = set()
    for line, row in read_objects(path, fault):
        user, items = row.get("user_id"), row.get("item_ids")
        if str(user) in seen:
            remedy = "keep one line per user"
            fault(DatasetError(f"duplicate user {shown(user)}", path=path, line=line,
                               remedy=remedy))  # fmt: skip
            continue
        seen.add(str(user))
        if not isinstance(items, list):
            problem = f"item_ids is {kind(items)}"
            remedy = f"it must be a list of item ids; the line has {listed(list(row))}"
            fault(DatasetError(problem, path=path, line=line, remedy=remedy))
            continue
        try:
            times = _times(row.get("times", row.get("days")), len(items))
        except ValueError as error:
            remedy = "give one time per item"
            fault(DatasetError(str(error), path=path, line=line, remedy=remedy))
            continue
        for item, time in zip(items, times, strict=True):
            yield Event(line, user, item, time)


def _times(values: object, length: int) -> list[Instant | None]:
    if values is None:
        return [None] * length
    if not isinstance(values, list) or len(values) != length:
        found = f"{len(values)} times" if isinstance(values, list) else kind(values)
        raise ValueError(f"{found} for {length} items")
    times: list[Instant | None] = [instant(value) for value in values]
    if None in times:
        raise ValueError(f"{shown(values[times.index(None)])} is not a time")
    return times

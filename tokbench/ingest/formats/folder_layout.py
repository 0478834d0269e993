"""Format `folder`: items.jsonl and sequences.jsonl, item fields as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tokbench.datasets.layout import ITEMS, SEQUENCES, LineError, time_field
from tokbench.datasets.lines import read_objects
from tokbench.errors import DatasetError, Fault, json_type, listed, shown
from tokbench.ingest.formats.columns import Columns
from tokbench.ingest.formats.rows import Event, Files, Item
from tokbench.ingest.formats.values import Instant, instant, plain


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
            problem = f"item_ids is {shown(items)}"
            remedy = f"it must be a list of item ids; the line has {listed(list(row))}"
            fault(DatasetError(problem, path=path, line=line, remedy=remedy))
            continue
        try:
            times = _times(time_field(row)[1], len(items))
        except LineError as error:
            fault(DatasetError(error.problem, path=path, line=line, remedy=error.remedy))
            continue
        for item, time in zip(items, times, strict=True):
            yield Event(line, user, item, time)


def _times(values: object, length: int) -> list[Instant | None]:
    if values is None:
        return [None] * length
    if not isinstance(values, list) or len(values) != length:
        found = f"{len(values)} times" if isinstance(values, list) else json_type(values)
        raise LineError(f"{found} for {length} items", "give one time per item")
    times: list[Instant | None] = [instant(value) for value in values]
    if None in times:
        found = shown(values[times.index(None)])
        raise LineError(f"{found} is not a time", "give one number or date per item")
    return times

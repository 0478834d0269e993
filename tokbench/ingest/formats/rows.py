"""What every format comes to: a catalogue written as it is read, and a log of events."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np

from tokbench.datasets.folder import TEMPLATE
from tokbench.datasets.layout import ID_RULE, INT64, LineError, check_fields, sound_id
from tokbench.datasets.text import clauses
from tokbench.errors import DatasetError, Fault, shown
from tokbench.ingest.formats.columns import Columns
from tokbench.ingest.formats.values import MILLION, Instant, Json
from tokbench.ingest.interactions import Gatherer, Log

WORDING = clauses(TEMPLATE)
UnknownItems = Literal["error", "keep", "drop"]  # drop: the interactions with them


class Files(NamedTuple):
    """The two files of a dataset."""

    items: Path
    interactions: Path


class Item(NamedTuple):
    """A row of the items file; `item_id` as the file has it."""

    line: int
    item_id: object
    fields: dict[str, Json]


class Event(NamedTuple):
    """An interaction; ids as the file has them, `time` None where the file has no times."""

    line: int
    user_id: object
    item_id: object
    time: Instant | None


class Format(Protocol):
    """The functions of a format's module."""

    def find(self, source: Path, items: Path | None) -> Files | None:  # pragma: no cover - protocol
        """The files meant by `source`, a folder or the file of interactions; None: not this
        format. `items` is the items file where the user names it."""
        ...

    def read_items(
        self, path: Path, columns: Columns, fault: Fault
    ) -> Iterable[Item]:  # pragma: no cover - protocol
        """The rows of the items file."""
        ...

    def read_events(
        self, path: Path, columns: Columns, fault: Fault
    ) -> Iterable[Event]:  # pragma: no cover - protocol
        """The events of the interactions file, in file order."""
        ...


class RowChecker:
    """Takes items and events one at a time; holds ids, and 28 bytes an event."""

    def __init__(
        self, write: Callable[[dict[str, Json]], object], unknown: UnknownItems, fault: Fault
    ) -> None:
        self.write, self.unknown, self.fault = write, unknown, fault
        self.events = Gatherer()
        self.millionths = array("i")
        self.timed: bool | None = None  # settled by the first event
        self.unknown_items: set[str] = set()  # that interactions name and the items file does not
        self.dropped = 0  # interactions with them, where these are dropped

    def add_item(self, item: Item, path: Path) -> None:
        """Write the item, or report what is wrong with its id."""
        item_id = self._id("item", item.item_id, path, item.line)
        if item_id is None:
            return
        if item_id in self.events.items:
            self._report(f"duplicate item {shown(item_id)}", "keep one row per item", path, item)
            return
        try:
            check_fields(WORDING, item.fields)
        except LineError as refused:
            self._report(refused.problem, refused.remedy, path, item)
        _ = self.events.items[item_id]
        self.write({"item_id": item_id, **item.fields})

    def add_event(self, event: Event, path: Path) -> None:
        """Take the event, or report what is wrong with it."""
        user_id = self._id("user", event.user_id, path, event.line)
        item_id = None if user_id is None else self._id("item", event.item_id, path, event.line)
        if user_id is None or item_id is None:
            return
        timed = event.time is not None
        if self.timed not in (None, timed):
            problem = f"some interactions have times and some none: this is {shown(event.time)}"
            self._report(problem, "give times for all or for none", path, event)
        elif item_id in self.events.items or self._taken_in(item_id, path, event):
            self.timed = timed
            whole, fraction = event.time or (None, 0)
            self.events.add(user_id, item_id, whole)
            self.millionths.append(fraction)

    def log(self) -> Log:
        """The events, times with fractions in millionths. Raises DatasetError where these
        overflow."""
        log, fraction = self.events.log(), np.array(self.millionths, np.int64)
        if log.time is None or not fraction.any():
            return log
        largest = max(abs(int(log.time.min())), abs(int(log.time.max())) + 1)
        if largest * MILLION >= INT64:
            problem = f"times with fractions that are too large: up to {largest}"
            raise DatasetError(problem, remedy="use whole numbers, or seconds")
        return replace(log, time=log.time * MILLION + fraction)

    def _taken_in(self, item_id: str, path: Path, event: Event) -> bool:
        if self.unknown == "error":
            remedy = (
                "add it to the items, keep such items without text: --unknown-items keep, or leave "
                "out interactions with them: --unknown-items drop"
            )
            self._report(f"unknown item {shown(item_id)}", remedy, path, event)
            return False
        self.unknown_items.add(item_id)
        if self.unknown == "drop":
            self.dropped += 1
            return False
        self.add_item(Item(event.line, item_id, {"title": ""}), path)
        return True

    def _id(self, whose: str, value: object, path: Path, line: int) -> str | None:
        """The id as text; one that breaks the rule is reported, and None."""
        found = sound_id(value)
        if found is None:
            problem = f"the {whose} id is {shown(value)}"
            self.fault(DatasetError(problem, path=path, line=line, remedy=ID_RULE))
        return found

    def _report(self, problem: str, remedy: str, path: Path, at: Item | Event) -> None:
        self.fault(DatasetError(problem, path=path, line=at.line, remedy=remedy))

"""What every format comes to: a catalogue written as it is read, and a log of events."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from tokbench.datasets.jsonl import Fault
from tokbench.errors import DatasetError
from tokbench.ids.code_table import read_id
from tokbench.ingest.formats.columns import Columns
from tokbench.ingest.formats.values import MILLION, Instant, shown
from tokbench.ingest.official.recipe import Events
from tokbench.types import Ints

UnknownItems = Literal["error", "keep"]
INT64 = 2**63


class Files(NamedTuple):
    """The two files of a dataset."""

    items: Path
    interactions: Path


class Item(NamedTuple):
    """A row of the items file; `item_id` as the file has it."""

    line: int
    item_id: object
    fields: dict[str, Any]


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


@dataclass
class Notes:
    """What a reader of the summary should know about the input."""

    unknown_items: int = 0  # that interactions name and the items file does not
    duplicate_rows: int = 0  # with user, item and time of another one; kept


class Gathering:
    """Takes items and events one at a time; holds ids, and 28 bytes an event."""

    def __init__(
        self, write: Callable[[dict[str, Any]], object], unknown: UnknownItems, fault: Fault
    ) -> None:
        self.write, self.unknown, self.fault = write, unknown, fault
        self.items: dict[str, int] = {}
        self.users: dict[str, int] = {}
        self.user, self.item, self.whole = array("q"), array("q"), array("q")
        self.millionths = array("i")
        self.timed: bool | None = None  # settled by the first event
        self.notes = Notes()

    def add_item(self, item: Item, path: Path) -> None:
        """Write the item, or report what is wrong with its id."""
        item_id = read_id(item.item_id)
        if item_id is None:
            self._report("empty or malformed item id", item.item_id, path, item.line)
        elif item_id in self.items:
            remedy = "keep one row per item"
            self.fault(DatasetError(f"duplicate item {shown(item_id)}", path=path, line=item.line,
                                    remedy=remedy))  # fmt: skip
        else:
            self.items[item_id] = len(self.items)
            self.write({"item_id": item_id, **item.fields})

    def add_event(self, event: Event, path: Path) -> None:
        """Take the event, or report what is wrong with it."""
        user_id, item_id = read_id(event.user_id), read_id(event.item_id)
        if user_id is None:
            self._report("empty or malformed user id", event.user_id, path, event.line)
        elif item_id is None:
            self._report("empty or malformed item id", event.item_id, path, event.line)
        elif self.timed is not None and self.timed != (event.time is not None):
            remedy = "give times for all or for none"
            self.fault(DatasetError("some interactions have times and some none", path=path,
                                    line=event.line, remedy=remedy))  # fmt: skip
        elif item_id in self.items or self._taken_in(item_id, path, event.line):
            self.timed = event.time is not None
            self.user.append(self.users.setdefault(user_id, len(self.users)))
            self.item.append(self.items[item_id])
            if event.time is not None:
                self.whole.append(event.time[0])
                self.millionths.append(event.time[1])

    def sorted(self) -> Events:
        """Events by user, then time; those of equal time keep the order of the file.

        Times with fractions come out in millionths. Raises DatasetError where these overflow.
        """
        user, item = np.array(self.user, np.int64), np.array(self.item, np.int64)
        if not self.timed:
            order = np.argsort(user, kind="stable")
            return Events(user[order], item[order], None)
        time, fraction = np.array(self.whole, np.int64), np.array(self.millionths, np.int64)
        order = np.lexsort((fraction, time, user))  # stable
        self.notes.duplicate_rows = _duplicates(user, item, time, fraction)
        if fraction.any():
            if max(abs(int(time.min())), abs(int(time.max())) + 1) * MILLION >= INT64:
                remedy = "use whole numbers, or seconds"
                raise DatasetError("times with fractions that are too large", remedy=remedy)
            time = time * MILLION + fraction
        return Events(user[order], item[order], time[order])

    def _taken_in(self, item_id: str, path: Path, line: int) -> bool:
        if self.unknown == "error":
            remedy = "add it to the items, or keep such items without text: --unknown-items keep"
            self.fault(
                DatasetError(f"unknown item {shown(item_id)}", path=path, line=line, remedy=remedy)
            )
            return False
        self.notes.unknown_items += 1
        self.add_item(Item(line, item_id, {"title": ""}), path)
        return True

    def _report(self, problem: str, value: object, path: Path, line: int) -> None:
        remedy = "ids are non-empty text or whole numbers"
        self.fault(DatasetError(f"{problem}: {shown(value)}", path=path, line=line, remedy=remedy))


def _duplicates(user: Ints, item: Ints, time: Ints, fraction: Ints) -> int:
    order = np.lexsort((fraction, time, item, user))
    same = np.ones(max(len(order) - 1, 0), np.bool_)
    for column in (user, item, time, fraction):
        same &= np.diff(column[order]) == 0
    return int(same.sum())

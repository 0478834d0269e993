"""Interactions as they are gathered from any file, in order, and counted.

Axes: T events; users and items are numbered in the order in which they are first met.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np

from tokbench.types import Dataset, Ints


class Indexed(dict[str, int]):
    """Numbers names in the order in which they are first met."""

    def __missing__(self, name: str) -> int:
        self[name] = number = len(self)
        return number


@dataclass
class Log:
    """Interactions as the raw files have them: T events of users and items, by number."""

    users: list[str]
    items: list[str]
    user: Ints  # [T]
    item: Ints  # [T]
    time: Ints | None = None  # [T] sortable; None: events are in each user's order already


@dataclass(frozen=True)
class Events:
    """Events in order of user and, within a user, of time."""

    user: Ints  # [T]
    item: Ints  # [T]
    time: Ints | None  # [T]


@dataclass
class Gatherer:
    """Takes events one at a time: about 24 bytes each, besides the names."""

    users: Indexed = field(default_factory=Indexed)
    items: Indexed = field(default_factory=Indexed)
    user: array[int] = field(default_factory=lambda: array("q"))
    item: array[int] = field(default_factory=lambda: array("q"))
    time: array[int] = field(default_factory=lambda: array("q"))

    def add(self, user: str, item: str, time: int | None = None) -> None:
        """Take an event; `time` in 64 bits, for all events or for none."""
        self.user.append(self.users[user])
        self.item.append(self.items[item])
        if time is not None:
            self.time.append(time)

    def log(self) -> Log:
        """What was taken, in the order in which it came."""
        user, item, time = (np.array(part, np.int64) for part in (self.user, self.item, self.time))
        return Log(list(self.users), list(self.items), user, item, time if len(time) else None)


def by_user_and_time(log: Log) -> Ints:
    """The order of the events by user, then time, [T]; those of equal time keep file order."""
    return np.lexsort((log.user,) if log.time is None else (log.time, log.user))


def in_order(log: Log) -> Events:
    """Every event, by user and time."""
    order = by_user_and_time(log)
    return Events(log.user[order], log.item[order], None if log.time is None else log.time[order])


def repeated_events(log: Log) -> int:
    """How many events have the user, item and time of another one; 0 without times."""
    if log.time is None:
        return 0
    order = np.lexsort((log.time, log.item, log.user))
    columns = np.stack([log.user[order], log.item[order], log.time[order]])
    return int((np.diff(columns) == 0).all(axis=0).sum())


@dataclass(frozen=True)
class Statistics:
    """The counts of Table 1."""

    users: int
    items: int  # that occur in an event
    interactions: int
    shortest: int
    longest: int
    mean: float
    median: float


def count(events: Events) -> Statistics:
    """Counts of the users, items and events that are there; all 0 where there are none."""
    if not len(events.user):
        return Statistics(0, 0, 0, 0, 0, 0.0, 0.0)
    lengths = np.unique(events.user, return_counts=True)[1]
    return Statistics(
        users=len(lengths),
        items=len(np.unique(events.item)),
        interactions=len(events.user),
        shortest=int(lengths.min()),
        longest=int(lengths.max()),
        mean=round(float(lengths.mean()), 3),
        median=float(np.median(lengths)),
    )


def describe(dataset: Dataset) -> Statistics:
    """The counts of a dataset as it was loaded."""
    rows = dataset.interactions
    return count(Events(np.repeat(np.arange(len(rows)), rows.lengths), rows.items, None))

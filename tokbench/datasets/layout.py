"""The layout of a dataset folder: what a line of items.jsonl and of sequences.jsonl may say."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tokbench.datasets.jsonl import Fault, kind, read_objects
from tokbench.datasets.text import clauses, clean, flattened, render
from tokbench.errors import DatasetError, listed
from tokbench.ids.code_table import read_id

ITEMS = "items.jsonl"
SEQUENCES = "sequences.jsonl"
SHORTEST = 3  # leave-one-out: one item to learn from, one to validate on, one to test on
DROPPED = -1  # index of an item that is known but left out of the catalogue
INT64 = 2**63


@dataclass
class Items:
    """The catalogue as read so far, item n at position n of each list."""

    ids: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)  # id -> n, or DROPPED
    fields: set[str] = field(default_factory=set)
    lines: int = 0

    def unseen(self, template: str) -> list[str]:
        """Fields of the template that no item has: most likely a typing error."""
        return [part.field for part in clauses(template) if part.field not in self.fields]


@dataclass
class Users:
    """The users as read so far: row u is items[offsets[u]:offsets[u + 1]]."""

    ids: list[str] = field(default_factory=list)
    offsets: array[int] = field(default_factory=lambda: array("q", [0]))
    items: array[int] = field(default_factory=lambda: array("q"))
    times: array[int] = field(default_factory=lambda: array("q"))
    timed: bool | None = None  # settled by the first user


class LineError(Exception):
    """A line that cannot be used: the problem and the remedy, without the place."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(problem)


def read_items(path: Path, template: str, empty_text: str, fault: Fault) -> Items:
    """The catalogue of items.jsonl, worded by the template. A faulty line is left out."""
    parts = clauses(template)
    items = Items()
    for line, row in read_objects(path, fault):
        items.lines += 1
        try:
            item_id = _identifier(row, "item_id")
            if item_id in items.index:
                raise LineError(f"duplicate item_id {item_id!r}", "keep one line per item")
        except LineError as refused:
            fault(_placed(refused, path, line))
            continue
        items.fields.update(row)
        text = render(parts, row)
        if not text and empty_text == "drop":
            items.index[item_id] = DROPPED
            continue
        if not text and empty_text == "error":
            named = listed([part.field for part in parts])
            problem = f"item {item_id!r} has no text: {named} all empty"
            remedy = "fill one in, or set empty_text=drop or empty_text=id"
            fault(_placed(LineError(problem, remedy), path, line))
        items.index[item_id] = len(items.ids)
        items.ids.append(item_id)
        items.texts.append(text or item_id)
        items.titles.append(clean(row.get("title")) or item_id)
        items.categories.append(most_specific(row))
    return items


def most_specific(row: Mapping[str, Any]) -> str:
    """The narrowest category the item has, '' where it has none."""
    for key in ("subcategory", "categories", "category"):
        value = row.get(key)
        names = [clean(part) for part in flattened(value if isinstance(value, list) else [value])]
        if any(names):
            return [name for name in names if name][-1]
    return ""


def read_sequences(path: Path, items: Items, short_users: str, fault: Fault) -> Users:
    """The users of the sequences file, without the items that the catalogue left out."""
    users = Users()
    seen: set[str] = set()
    for line, row in read_objects(path, fault):
        try:
            user_id = _identifier(row, "user_id")
            if user_id in seen:
                raise LineError(f"duplicate user_id {user_id!r}", "keep one line per user")
            seen.add(user_id)
            _add_user(users, user_id, row, items, short_users)
        except LineError as refused:
            fault(_placed(refused, path, line))
    return users


def _add_user(
    users: Users, user_id: str, row: Mapping[str, Any], items: Items, short_users: str
) -> None:
    chosen = _items_of(row, items)
    times = _times_of(row, len(chosen))
    if users.timed is None:
        users.timed = times is not None
    elif users.timed != (times is not None):
        raise LineError("some users have times and some none", "give `days` for all or for none")
    kept = [position for position, item in enumerate(chosen) if item != DROPPED]
    if len(kept) < SHORTEST:
        if short_users == "error":
            raise LineError(
                f"user {user_id!r} has too few items with text: {len(kept)}",
                f"leave-one-out needs {SHORTEST}; set short_users=drop to leave such users out",
            )
        return
    users.ids.append(user_id)
    users.items.extend(chosen[position] for position in kept)
    if times is not None:
        users.times.extend(times[position] for position in kept)
    users.offsets.append(len(users.items))


def _identifier(row: Mapping[str, Any], key: str) -> str:
    if key not in row:
        raise LineError(f"missing field {key!r}", f"the line has {listed(list(row))}")
    value = read_id(row[key])
    if value is None:
        raise LineError(f"{key} is {_shown(row[key])}", "it must be a non-empty string")
    return value


def _items_of(row: Mapping[str, Any], items: Items) -> list[int]:
    """Index of each item of the row, DROPPED for one left out."""
    if "item_ids" not in row:
        raise LineError("missing field 'item_ids'", f"the line has {listed(list(row))}")
    if not isinstance(row["item_ids"], list):
        raise LineError(f"item_ids is {kind(row['item_ids'])}", "it must be a list of item ids")
    chosen: list[int] = []
    for value in row["item_ids"]:
        item_id = read_id(value)
        if item_id is None or item_id not in items.index:
            remedy = f"add it to {ITEMS} or take it out of the sequence"
            raise LineError(f"unknown item {_shown(value)}", remedy)
        chosen.append(items.index[item_id])
    return chosen


def _times_of(row: Mapping[str, Any], length: int) -> list[int] | None:
    """The row's times, None where it has none."""
    key = "times" if "times" in row else "days"
    times = row.get(key)
    if times is None:
        return None
    if not isinstance(times, list) or not all(_is_time(value) for value in times):
        raise LineError(f"{key} is not a list of whole numbers", "give one whole number per item")
    if len(times) != length:
        raise LineError(f"{len(times)} {key} for {length} items", "give one whole number per item")
    if any(later < earlier for earlier, later in pairwise(times)):
        raise LineError(f"{key} go backwards", "sort each user's items by time, oldest first")
    return times


def _is_time(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -INT64 <= value < INT64


def _shown(value: object) -> str:
    """A value for an error message, cut where it is long."""
    text = ascii(value) if isinstance(value, (str, int, float)) else kind(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _placed(refused: LineError, path: Path, line: int) -> DatasetError:
    return DatasetError(refused.problem, path=path, line=line, remedy=refused.remedy)

"""The layout of a dataset folder: what a line of items.jsonl and of sequences.jsonl may say."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from unicodedata import category

from tokbench.datasets.lines import read_objects
from tokbench.datasets.text import Clause, clauses, clean, flattened, render
from tokbench.errors import DatasetError, Fault, json_type, listed, shown
from tokbench.ids.code_table import read_id

ITEMS = "items.jsonl"
SEQUENCES = "sequences.jsonl"
SHORTEST = 3  # leave-one-out: one item to learn from, one to validate on, one to test on
DROPPED = -1  # index of an item that is known but left out of the catalogue
INT64 = 2**63
ID_RULE = "ids are whole numbers, or text without blanks at its ends and control characters"


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
                raise LineError(f"duplicate item_id {shown(item_id)}", "keep one line per item")
            check_fields(parts, row)
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
            remedy = "fill one in, or --set dataset.empty_text=drop or =id"
            fault(_placed(LineError(problem, remedy), path, line))
        items.index[item_id] = len(items.ids)
        items.ids.append(item_id)
        items.texts.append(text or item_id)
        items.titles.append(clean(row.get("title")) or item_id)
        items.categories.append(most_specific(row))
    return items


def most_specific(row: Mapping[str, object]) -> str:
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
                raise LineError(f"duplicate user_id {shown(user_id)}", "keep one line per user")
            seen.add(user_id)
            _add_user(users, user_id, row, items, short_users)
        except LineError as refused:
            fault(_placed(refused, path, line))
    return users


def _add_user(
    users: Users, user_id: str, row: Mapping[str, object], items: Items, short_users: str
) -> None:
    chosen = _items_of(row, items)
    times = _times_of(row, len(chosen))
    if users.timed is None:
        users.timed = times is not None
    elif users.timed != (times is not None):
        found = "times" if times is not None else "none"
        problem = f"some users have times and some none: this one has {found}"
        raise LineError(problem, "give `days` for all or for none")
    kept = [position for position, item in enumerate(chosen) if item != DROPPED]
    if len(kept) < SHORTEST:
        if short_users == "error":
            raise LineError(
                f"user {user_id!r} has too few items with text: {len(kept)}",
                f"leave-one-out needs {SHORTEST}; --set dataset.short_users=drop leaves them out",
            )
        return
    users.ids.append(user_id)
    users.items.extend(chosen[position] for position in kept)
    if times is not None:
        users.times.extend(times[position] for position in kept)
    users.offsets.append(len(users.items))


def _identifier(row: Mapping[str, object], key: str) -> str:
    if key not in row:
        raise LineError(f"missing field {key!r}", f"the line has {listed(list(row))}")
    value = sound_id(row[key])
    if value is None:
        raise LineError(f"{key} is {shown(row[key])}", ID_RULE)
    return value


def sound_id(value: object) -> str | None:
    """An item's or user's id as text, None where it breaks ID_RULE."""
    text = read_id(value)
    if text is None or text != text.strip() or not all(map(_is_visible, text)):
        return None
    return text


def _is_visible(letter: str) -> bool:
    return letter.isprintable() or category(letter) != "Cc"


def check_fields(parts: Sequence[Clause], row: Mapping[str, object]) -> None:
    """Raises LineError for a field of the text that holds an object or a boolean."""
    for part in parts:
        for value in flattened([row.get(part.field)]):
            if isinstance(value, (dict, bool)):
                remedy = "a field of the text is a string, a number, a list of these, or null"
                raise LineError(f"{part.field} is {json_type(value)}", remedy)


def _items_of(row: Mapping[str, object], items: Items) -> list[int]:
    """Index of each item of the row, DROPPED for one left out."""
    if "item_ids" not in row:
        raise LineError("missing field 'item_ids'", f"the line has {listed(list(row))}")
    if not isinstance(row["item_ids"], list):
        found = shown(row["item_ids"])
        raise LineError(f"item_ids is {found}", "it must be a list of item ids")
    chosen: list[int] = []
    for value in row["item_ids"]:
        item_id = read_id(value)
        if item_id is None or item_id not in items.index:
            remedy = f"add it to {ITEMS} or take it out of the sequence"
            raise LineError(f"unknown item {shown(value)}", remedy)
        chosen.append(items.index[item_id])
    return chosen


def _times_of(row: Mapping[str, object], length: int) -> list[int] | None:
    """The row's times, None where it has none."""
    key, times = time_field(row)
    if times is None:
        return None
    remedy = "give one whole number per item"
    if not isinstance(times, list):
        raise LineError(f"{key} is {shown(times)}", remedy)
    for value in times:
        if not _is_time(value):
            raise LineError(f"{key} has {shown(value)}, not a whole number of 64 bits", remedy)
    if len(times) != length:
        raise LineError(f"{len(times)} {key} for {length} items", remedy)
    for earlier, later in pairwise(times):
        if later < earlier:
            remedy = "sort each user's items by time, oldest first"
            raise LineError(f"{key} go backwards, from {earlier} to {later}", remedy)
    return times


def time_field(row: Mapping[str, object]) -> tuple[str, object]:
    """Name and value of the field with the times, (`days`, None) where there is none.

    Raises LineError where both are there.
    """
    if row.get("times") is not None and row.get("days") is not None:
        raise LineError("both `times` and `days`", "keep one of them")
    key = "times" if row.get("times") is not None else "days"
    return key, row.get(key)


def _is_time(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -INT64 <= value < INT64


def _placed(refused: LineError, path: Path, line: int) -> DatasetError:
    return DatasetError(refused.problem, path=path, line=line, remedy=refused.remedy)

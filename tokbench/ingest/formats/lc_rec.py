"""Format `lc-rec`: X.inter.json and X.item.json, as LC-Rec, LETTER and MiniOneRec publish them.

    X.inter.json   {"0": [3, 9, 4], ...}                         user id -> item ids, oldest first
    X.item.json    {"3": {"title": "Red pen", "brand": ""}, ...}   item id -> fields

Zheng et al., arXiv 2311.09049. Each file is one json object, read into memory as text and then
member by member. An item's `categories` are one text, "Office, Pens".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tokbench.datasets.lines import read_whole
from tokbench.errors import DatasetError, Fault, json_type, shown
from tokbench.ingest.formats.columns import Columns, item_fields
from tokbench.ingest.formats.locating import by_ending
from tokbench.ingest.formats.rows import Event, Files, Item

SPACE = re.compile(r"[ \t\r\n]*")
LAYOUT = "the file is one json object"
DECODER = json.JSONDecoder(parse_constant=lambda _: None)  # NaN and Infinity: no value


class Member(NamedTuple):
    """A member of a json object and the line that it begins on."""

    line: int
    name: str
    value: object


def find(source: Path, items: Path | None) -> Files | None:
    """X.inter.json with X.item.json beside it."""
    return by_ending(source, items, ".inter.json", ".item.json")


def read_items(path: Path, columns: Columns, fault: Fault) -> Iterator[Item]:
    """The items in file order."""
    for line, item, fields in read_members(path):
        if isinstance(fields, dict):
            yield Item(line, item, item_fields(fields, columns.of_fields(tuple(fields))))
        else:
            problem = f"item {shown(item)} is {json_type(fields)}"
            remedy = 'fields are an object, {"title": ...}'
            fault(DatasetError(problem, path=path, line=line, remedy=remedy))


def read_events(path: Path, columns: Columns, fault: Fault) -> Iterator[Event]:
    """Each user's items in their order, without times; a user without items leaves nothing."""
    seen: set[str] = set()
    for line, user, items in read_members(path):
        if user in seen:
            remedy = "keep one list per user"
            fault(DatasetError(f"duplicate user {shown(user)}", path=path, line=line,
                               remedy=remedy))  # fmt: skip
        elif not isinstance(items, list):
            problem = f"user {shown(user)} has {json_type(items)}"
            remedy = "it must be a list of item ids"
            fault(DatasetError(problem, path=path, line=line, remedy=remedy))
        else:
            for item in items:
                yield Event(line, user, item, None)
        seen.add(user)


def read_members(path: Path) -> Iterator[Member]:
    """The members of the file's object one by one, repeated names included.

    Raises DatasetError naming the line where the file is no json object.
    """
    text = read_whole(path)
    line, counted = 1, 0  # newlines before `counted` are in `line`
    at = _skip(text, 0)
    _expect(text, at, "{", path)
    at = _skip(text, at + 1)
    while text[at : at + 1] != "}":
        line, counted = line + text.count("\n", counted, at), at
        _expect(text, at, '"', path)
        name, at = _value(text, at, path)
        at = _skip(text, at)
        _expect(text, at, ":", path)
        value, at = _value(text, _skip(text, at + 1), path)
        yield Member(line, str(name), value)
        at = _skip(text, at)
        if text[at : at + 1] != "}":
            _expect(text, at, ",", path)
            at = _skip(text, at + 1)
            _expect(text, at, '"', path)
    if (end := _skip(text, at + 1)) != len(text):
        raise _malformed("text after the object", text, end, path)


def _value(text: str, at: int, path: Path) -> tuple[object, int]:
    try:
        return DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise _malformed(error.msg, text, error.pos, path) from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, a list 5,000 deep
        raise _malformed(str(error), text, at, path) from error


def _expect(text: str, at: int, mark: str, path: Path) -> None:
    if text[at : at + 1] != mark:
        raise _malformed(f"expected {mark!r}", text, at, path)


def _malformed(problem: str, text: str, at: int, path: Path) -> DatasetError:
    line = text.count("\n", 0, at) + 1
    return DatasetError(f"malformed json: {problem}", path=path, line=line, remedy=LAYOUT)


def _skip(text: str, at: int) -> int:
    match = SPACE.match(text, at)
    return match.end() if match else at

"""Single values of foreign files: a moment in time, a category path, an item's fields."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime

from tokbench.datasets.text import flattened
from tokbench.ingest.official.amazon import longest_path, parse_row

Json = bool | int | float | str | None | list["Json"] | dict[str, "Json"]
Instant = tuple[int, int]  # whole units, and millionths of one
MILLION = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
BETWEEN = (" > ", "|", ", ", ",")  # what may part the names of a category path, surest first
DEEPEST = 20  # lists and objects inside one another that a field may hold


def instant(value: object) -> Instant | None:
    """A number as it is, a date as seconds since 1970 (UTC unless it says otherwise), else None."""
    if isinstance(value, str):
        value = _from_text(value.strip())
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if isinstance(value, datetime):
        try:
            since = (value if value.tzinfo else value.replace(tzinfo=UTC)) - EPOCH
        except (OverflowError, ValueError):  # the first or last hours of the calendar; no time
            return None
        return since.days * 86_400 + since.seconds, since.microseconds
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    whole = math.floor(value)
    millionths = 0 if isinstance(value, int) else round((value - whole) * MILLION)
    carry, millionths = divmod(millionths, MILLION)
    whole += carry
    return (whole, millionths) if -(2**63) <= whole < 2**63 else None


def _from_text(text: str) -> object:
    if WHOLE.fullmatch(text):
        return int(text)
    if DECIMAL.fullmatch(text):
        return float(text)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def as_path(value: object, *, words: bool = False) -> list[str]:
    """The names of a category path, general first; `words`: where nothing else does, spaces part.

    "Office > Pens", "Office|Pens", "Office, Pens", "['Office', 'Pens']" and lists are read.
    """
    if isinstance(value, str):
        value = unprinted(value)
    if isinstance(value, list):
        nested = any(isinstance(part, list) for part in value)
        return longest_path(value) if nested else [str(p) for p in value if p not in (None, "")]
    if not isinstance(value, str):
        return [] if value is None else [str(value)]
    mark = next((mark for mark in BETWEEN if mark in value), " " if words else "")
    parts = value.split(mark) if mark else [value]
    names = [part.strip().strip("'\"").strip() for part in parts]
    return [name for name in names if name]


def unprinted(text: str) -> object:
    """The list that was written out as `text`, or `text` itself."""
    if not (text.startswith("[") and text.endswith("]")):
        return text
    value = parse_row(text)
    return value if isinstance(value, list) else text


def as_prose(value: object) -> object:
    """Running text out of a list of paragraphs, printed or not; anything else as it is."""
    if isinstance(value, str):
        value = unprinted(value)
    if isinstance(value, list):
        return " ".join(part for part in flattened(value) if isinstance(part, str) and part)
    return value


def plain(value: object, depth: int = 0) -> Json:
    """The value as json can hold it: dates and the like as text, no infinity, no NaN."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if depth < DEEPEST and isinstance(value, Mapping):
        return {str(name): plain(part, depth + 1) for name, part in value.items()}
    if depth < DEEPEST and isinstance(value, (list, tuple)):
        return [plain(part, depth + 1) for part in value]
    return None if isinstance(value, (Mapping, list, tuple)) else str(value)

"""Which column means what: named by the user, or guessed from the names in use.

Every format asks here, be it for the columns of a table or for the fields of a json object.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from tokbench.errors import DatasetError, listed, shown
from tokbench.ingest.formats.values import Json, as_path, as_prose, plain

# Names without capitals and punctuation: userId and user_id are alike. The surest come first.
USER = ("userid", "user", "uid", "reviewerid", "customerid", "memberid", "visitorid", "sessionid")
ITEM = (
    *("itemid", "item", "iid", "parentasin", "asin", "productid", "movieid", "newsid"),
    *("articleid", "bookid", "businessid", "trackid", "videoid", "gameid", "sku"),
)
TIME = (
    *("timestamp", "time", "unixreviewtime", "unixtime", "datetime", "eventtime", "createdat"),
    *("reviewtime", "date", "day", "ts"),
)
TITLE = (
    *("title", "itemtitle", "itemname", "productname", "producttitle", "movietitle", "newstitle"),
    *("name", "headline"),
)
CATEGORIES = ("categories", "categorypath")  # general to specific
GENRES = ("genres", "genre", "class", "tags")  # side by side: the first is not above the second
PROSE = ("description", "abstract", "features")


class EventColumns(NamedTuple):
    """Positions of the columns of an interaction; `time` None where there is none."""

    user: int
    item: int
    time: int | None


class Fields(NamedTuple):
    """Names of the fields of an item, '' for one that is not there."""

    title: str
    path: str
    genres: str
    prose: frozenset[str]


@dataclass
class Columns:
    """The user's names of columns; '' leaves a column to be guessed. Notes what was chosen."""

    user: str = ""
    item: str = ""
    time: str = ""
    title: str = ""
    notes: dict[str, str] = field(default_factory=dict, init=False)  # file -> its columns, in words

    def of_events(self, names: Sequence[str], path: Path) -> EventColumns:
        """The columns of a table of interactions. Raises DatasetError."""
        user = _required(names, self.user, USER, "user", path)
        item = _required(names, self.item, ITEM, "item", path)
        time = _position(names, self.time, TIME, path)
        if len({user, item, time}) < 3:
            raise DatasetError(f"one column for two things: {names[user]!r}", path=path, line=1)
        chosen = {"user": names[user], "item": names[item]}
        if time is not None:
            chosen["time"] = names[time]
        self._note(path, chosen, "not used", [n for n in names if n not in chosen.values()])
        return EventColumns(user, item, time)

    def of_items(
        self, names: Sequence[str], path: Path, dropped: Sequence[str] = ()
    ) -> tuple[int, Fields]:
        """Position of the item's id in a table of items, and its fields. Raises DatasetError.

        `dropped`: columns that the format cannot keep.
        """
        # A column that the user names need be in one of the files only.
        named = self.item if self.item in names else ""
        at = _required(names, named, (*ITEM, "id"), "item", path)
        _position(names, self.title, (), path)  # a title that the user names has to be there
        rest = [name for n, name in enumerate(names) if n != at and name not in dropped]
        found = self.of_fields(tuple(rest))
        chosen = {"item": names[at], "title": found.title, "categories": found.path}
        chosen = {k: v for k, v in (chosen | {"category": found.genres}).items() if v}
        self._note(path, chosen, "left out, vectors", dropped)
        return at, found

    def of_fields(self, names: tuple[str, ...]) -> Fields:
        """Which of an item's fields is what."""
        return _fields(names, self.title)

    def _note(self, path: Path, chosen: Mapping[str, str], how: str, others: Sequence[str]) -> None:
        said = ", ".join(f"{role} from {name}" for role, name in chosen.items())
        self.notes[path.name] = said + (f"; {how}: {listed(others)}" if others else "")


def _required(
    names: Sequence[str], named: str, guesses: Sequence[str], role: str, path: Path
) -> int:
    found = _position(names, named, guesses, path)
    if found is None:
        remedy = f"the columns are {listed(names)}; name it: --{role}-column NAME"
        raise DatasetError(f"no column of {role} ids", path=path, line=1, remedy=remedy)
    return found


def _position(names: Sequence[str], named: str, guesses: Sequence[str], path: Path) -> int | None:
    """Where the column is, None where none of the guesses is there. Raises DatasetError."""
    if named:
        if named in names:
            return names.index(named)
        remedy = f"the columns are {listed(names)}"
        raise DatasetError(f"no column {shown(named)}", path=path, line=1, remedy=remedy)
    keys = [_key(name) for name in names]
    return next((keys.index(guess) for guess in guesses if guess in keys), None)


def item_fields(
    raw: Mapping[str, object], fields: Fields, *, words: bool = False
) -> dict[str, Json]:
    """An item's fields under the names that text templates use; empty ones are left out.

    Genres become one text, `category`, where there is no field of that name. `words`: names of a
    category may be parted by spaces. HTML entities of text are decoded once here and once more
    when the text is worded: published files have some that were encoded twice.
    """
    out: dict[str, Json] = {"title": ""}
    for name, value in raw.items():
        if isinstance(value, str):
            value = html.unescape(value)
        if name == fields.title:
            out["title"] = plain(value) or ""
        elif name == fields.path:
            out["categories"] = plain(as_path(value, words=words))
        elif name == fields.genres:
            kept = name if "category" in raw else "category"
            out[kept] = ", ".join(as_path(value, words=words))
        elif name not in ("item_id", "title", "categories"):
            out[name] = plain(as_prose(value) if name in fields.prose else value)
    return {n: value for n, value in out.items() if n == "title" or value not in ("", None, [])}


@lru_cache(maxsize=1024)  # the same few sets of names for every item
def _fields(names: tuple[str, ...], title: str) -> Fields:
    keys = {_key(name): name for name in reversed(names)}

    def first(guesses: Sequence[str]) -> str:
        return next((keys[guess] for guess in guesses if guess in keys), "")

    prose = frozenset(keys[guess] for guess in PROSE if guess in keys)
    return Fields(title or first(TITLE), first(CATEGORIES), first(GENRES), prose)


@lru_cache(maxsize=1024)
def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())

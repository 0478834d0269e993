"""Which column means what: named by the user, or guessed from the names in use."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokbench.errors import DatasetError, listed
from tokbench.ingest.formats.values import as_path, as_prose, plain

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
CATEGORIES = ("categories", "categorypath", "genres", "genre")
PROSE = ("description", "abstract", "features")


@dataclass(frozen=True)
class Columns:
    """The user's names of columns; '' leaves a column to be guessed."""

    user: str = ""
    item: str = ""
    time: str = ""
    title: str = ""

    def of_events(self, names: Sequence[str], path: Path) -> tuple[int, int, int | None]:
        """Positions of user, item and, where there is one, time. Raises DatasetError."""
        user = _position(names, self.user, USER, "user", path)
        item = _position(names, self.item, ITEM, "item", path)
        time = _position(names, self.time, TIME, "time", path, required=bool(self.time))
        assert user is not None and item is not None
        if len({user, item, time}) < 3:
            raise DatasetError(f"one column for two things: {names[user]!r}", path=path, line=1)
        return user, item, time

    def of_item(self, names: Sequence[str], path: Path) -> int:
        """Position of the item's id in the items file. Raises DatasetError."""
        # A column that the user names need be in one of the files only.
        named = self.item if self.item in names else ""
        position = _position(names, named, (*ITEM, "id"), "item", path)
        assert position is not None
        return position


def _position(
    names: Sequence[str],
    named: str,
    guesses: Sequence[str],
    role: str,
    path: Path,
    *,
    required: bool = True,
) -> int | None:
    """Where the column is; None where it is neither there nor required."""
    if named:
        if named in names:
            return names.index(named)
        remedy = f"the columns are {listed(names)}"
        raise DatasetError(f"no column {named!r}", path=path, line=1, remedy=remedy)
    keys = [_key(name) for name in names]
    found = next((keys.index(guess) for guess in guesses if guess in keys), None)
    if found is None and required:
        raise DatasetError(
            f"no column of {role} ids",
            path=path,
            line=1,
            remedy=f"the columns are {listed(names)}; name it: --{role}-column NAME",
        )
    return found


def item_fields(raw: Mapping[str, Any], title: str, *, words: bool = False) -> dict[str, Any]:
    """An item's fields under the names that text templates use; empty ones are left out.

    `title` is the user's name for it. `words`: names of a category path may be parted by spaces.
    HTML entities of text are decoded once here and once more when the text is worded: published
    files have some that were encoded twice.
    """
    raw = {n: html.unescape(v) if isinstance(v, str) else v for n, v in raw.items()}
    keys = {_key(name): name for name in reversed(raw)}
    titled = title or next((keys[guess] for guess in TITLE if guess in keys), "")
    path = next((keys[guess] for guess in CATEGORIES if guess in keys), "")
    prose = {keys[guess] for guess in PROSE if guess in keys}
    fields: dict[str, Any] = {"title": plain(raw.get(titled)) or ""}
    for name, value in raw.items():
        if name == path:
            fields["categories"] = plain(as_path(value, words=words))
        elif name not in (titled, "item_id", "title", "categories"):
            fields[name] = plain(as_prose(value) if name in prose else value)
    return {
        name: value
        for name, value in fields.items()
        if name == "title" or value not in ("", None, [])
    }


@lru_cache(maxsize=1024)  # the same few names for every item
def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())

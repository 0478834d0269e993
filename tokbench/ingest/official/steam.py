"""Steam reviews in their official files: a Python literal a line (Kang & McAuley, ICDM 2018).

steam_reviews  username, product_id, date (YYYY-MM-DD)
steam_games    id, app_name or title, developer, tags, genres
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tokbench.api import Progress
from tokbench.ingest.interactions import Gatherer, Log
from tokbench.ingest.official.amazon import add, read_rows
from tokbench.ingest.official.dates import seconds


def read_log(paths: Sequence[Path], progress: Progress) -> Log:
    """Every review as an event."""
    found = Gatherer()
    for line, row in read_rows(paths[0], progress):
        time = seconds(row.get("date"), paths[0], line)
        add(found, row.get("username"), row.get("product_id"), time, paths[0], line)
    return found.log()


def read_items(paths: Sequence[Path], progress: Progress) -> Iterator[dict[str, object]]:
    """item_id, title, brand (the developer), categories (tags, else genres); each game once."""
    seen: set[str] = set()
    for _, row in read_rows(paths[1], progress):
        item = row.get("id")
        if not isinstance(item, str) or item in seen:
            continue  # two official rows have no id
        seen.add(item)
        tags = row.get("tags") or row.get("genres")
        found = {"item_id": item, "title": str(row.get("app_name") or row.get("title") or "")}
        if row.get("developer"):
            found["brand"] = str(row["developer"])
        yield found | ({"categories": [str(tag) for tag in tags]} if isinstance(tags, list) else {})

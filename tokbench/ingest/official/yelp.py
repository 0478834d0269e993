"""The Yelp Open Dataset: a json object a line.

review    user_id, business_id, date (YYYY-MM-DD HH:MM:SS)
business  business_id, name, categories ("A, B"), city
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
        add(found, row.get("user_id"), row.get("business_id"), time, paths[0], line)
    return found.log()


def read_items(paths: Sequence[Path], progress: Progress) -> Iterator[dict[str, object]]:
    """item_id, title (the name), categories, type (the city)."""
    for _, row in read_rows(paths[1], progress):
        named = str(row.get("categories") or "")
        categories = [part.strip() for part in named.split(",") if part.strip()]
        found: dict[str, object] = {
            "item_id": str(row.get("business_id")), "title": str(row.get("name") or ""),
        }  # fmt: skip
        if row.get("city"):
            found["type"] = str(row["city"])
        yield found | ({"categories": categories} if categories else {})

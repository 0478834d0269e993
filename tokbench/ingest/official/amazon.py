"""Amazon reviews in their official files: releases 2014, 2018 and 2023, one product category each.

ratings   csv. Without header, 2014: user,item,rating,time; 2018: item,user,rating,time (seconds);
          2023, with header: user_id,parent_asin,rating,timestamp (milliseconds)
reviews   a json object a line; 2014 and 2018: reviewerID, asin, unixReviewTime (seconds);
          2023: user_id, parent_asin, timestamp (milliseconds)
metadata  2014: Python literals, not json; 2018 and 2023: json

He & McAuley, WWW 2016; Ni, Li & McAuley, EMNLP 2019; Hou et al., arXiv 2403.03952.
"""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from tokbench.api import Progress
from tokbench.datasets.lines import read_lines
from tokbench.errors import DatasetError, shown
from tokbench.ingest.interactions import Gatherer, Log

OFFICIAL = "is it the official file?"
TIME_LIMIT = 2**62


def read_ratings(path: Path, release: str, progress: Progress) -> Log:
    """The log of a ratings csv: one event per line."""
    found = Gatherer()
    for line, text in read_lines(path, progress=progress):
        if not text.strip() or (line == 1 and release == "2023"):
            continue
        fields = text.split(",")
        if len(fields) != 4:
            problem = f"{len(fields)} fields, ratings have 4"
            raise DatasetError(problem, path=path, line=line, remedy=OFFICIAL)
        user, item = (fields[1], fields[0]) if release == "2018" else (fields[0], fields[1])
        add(found, user, item, fields[3], path, line)
    return found.log()


def read_reviews(path: Path, progress: Progress) -> Log:
    """The log of a reviews file of any release."""
    found = Gatherer()
    for line, row in read_rows(path, progress):
        user = row.get("reviewerID", row.get("user_id"))
        item = row.get("parent_asin", row.get("asin"))
        time = row.get("unixReviewTime", row.get("timestamp"))
        add(found, user, item, time, path, line)
    return found.log()


def add(found: Gatherer, user: object, item: object, time: object, path: Path, line: int) -> None:
    """Take an event. Raises DatasetError for ids that are no text and times that are no number."""
    for name, value in (("user", user), ("item", item)):
        if not isinstance(value, str) or not value:
            problem = f"the {name} id is {shown(value)}"
            raise DatasetError(problem, path=path, line=line, remedy=OFFICIAL)
    moment = TIME_LIMIT
    if isinstance(time, (int, float, str)):
        with suppress(ValueError, OverflowError):
            moment = int(time)
    if abs(moment) >= TIME_LIMIT:
        raise DatasetError(f"{shown(time)} is no time", path=path, line=line, remedy=OFFICIAL)
    found.add(str(user), str(item), moment)


def read_items(path: Path, progress: Progress) -> Iterator[dict[str, object]]:
    """The products of a metadata file, each once, with the fields it has of: item_id, title, type
    (the department), brand, categories (the longest path), description."""
    seen: set[str] = set()
    for line, row in read_rows(path, progress):
        item_id = row.get("parent_asin", row.get("asin"))
        if not isinstance(item_id, str) or not item_id:
            problem = f"the item id is {shown(item_id)}"
            raise DatasetError(problem, path=path, line=line, remedy=OFFICIAL)
        if item_id not in seen:
            seen.add(item_id)
            yield {"item_id": item_id} | product(row)


def product(row: Mapping[str, object]) -> dict[str, object]:
    """What the releases call by different names, under one; empty fields are left out."""
    categories = longest_path(row.get("categories") or row.get("category"))
    description = row.get("description")
    if isinstance(description, list):
        description = " ".join(part for part in description if isinstance(part, str))
    rank = row.get("salesRank")
    ranked = next(iter(rank), None) if isinstance(rank, dict) else None
    fields = {
        "title": row.get("title"),
        "type": row.get("main_category") or row.get("main_cat") or ranked,
        "brand": row.get("brand") or row.get("store"),
        "description": description,
    }
    found: dict[str, object] = {
        name: value for name, value in fields.items() if isinstance(value, str) and value.strip()
    }
    return {"title": ""} | found | ({"categories": categories} if categories else {})


def longest_path(categories: object) -> list[str]:
    """The most detailed of a product's category paths (2014 lists several), [] without one."""
    if not isinstance(categories, list):
        return []
    paths = [path for path in categories if isinstance(path, list)] or [categories]
    named = [[name for name in path if isinstance(name, str) and name] for path in paths]
    return max(named, key=len)


def read_rows(path: Path, progress: Progress) -> Iterator[tuple[int, dict[str, object]]]:
    """(line number, object) for each line, be it json or a Python literal."""
    for line, text in read_lines(path, progress=progress):
        if not text.strip():
            continue
        row = parse_row(text)
        if not isinstance(row, dict):
            problem = f"neither a json object nor a Python dict: {shown(text)}"
            raise DatasetError(problem, path=path, line=line, remedy=OFFICIAL)
        yield line, row


def parse_row(text: str) -> object:
    """The value of a line, None for one that cannot be read. Never runs code."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # odd escapes in titles
            warnings.simplefilter("ignore", DeprecationWarning)
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None

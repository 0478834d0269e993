"""Official datasets that come as csv tables with a header: MicroLens-50K, Food.com.

MicroLens  pairs: user, item, timestamp (milliseconds); titles: item, title (arXiv 2309.15379)
Food.com   RAW_interactions: user_id, recipe_id, date; RAW_recipes: id, name, tags, description
           (Majumder et al., EMNLP 2019)
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from tokbench.api import Progress
from tokbench.datasets.lines import read_lines
from tokbench.errors import DatasetError, listed
from tokbench.ingest.interactions import Gatherer, Log
from tokbench.ingest.official.amazon import OFFICIAL, add, parse_row
from tokbench.ingest.official.dates import seconds


def read_microlens_log(paths: Sequence[Path], progress: Progress) -> Log:
    """Every comment of a user on a video as an event."""
    found = Gatherer()
    for line, row in rows(paths[0], ("user", "item", "timestamp"), progress):
        add(found, row["user"], row["item"], row["timestamp"], paths[0], line)
    return found.log()


def read_microlens_items(paths: Sequence[Path], progress: Progress) -> Iterator[dict[str, object]]:
    """item_id, title."""
    for _, row in rows(paths[1], ("item", "title"), progress):
        yield {"item_id": row["item"], "title": row["title"]}


def read_food_log(paths: Sequence[Path], progress: Progress) -> Log:
    """Every review as an event, whatever its rating."""
    found = Gatherer()
    for line, row in rows(paths[0], ("user_id", "recipe_id", "date"), progress):
        time = seconds(row["date"], paths[0], line)
        add(found, row["user_id"], row["recipe_id"], time, paths[0], line)
    return found.log()


def read_food_items(paths: Sequence[Path], progress: Progress) -> Iterator[dict[str, object]]:
    """item_id, title (the name), categories (the tags), description."""
    for _, row in rows(paths[1], ("id", "name", "tags", "description"), progress):
        tags = parse_row(row["tags"])
        found: dict[str, object] = {"item_id": row["id"], "title": row["name"]}
        if isinstance(tags, list) and tags:
            found["categories"] = [str(tag) for tag in tags]
        if row["description"].strip():
            found["description"] = row["description"]
        yield found


def rows(
    path: Path, wanted: Sequence[str], progress: Progress
) -> Iterator[tuple[int, dict[str, str]]]:
    """(last line, {column: text}) of each row; a quoted field may hold line breaks.

    Raises DatasetError for a missing column or a row of another length.
    """
    reader = csv.reader(text + "\n" for _, text in read_lines(path, progress=progress))
    try:
        head = next(reader, [])
        missing = [name for name in wanted if name not in head]
        if missing:
            problem = f"no column {listed(missing)}; there are: {listed(head)}"
            raise DatasetError(problem, path=path, line=1, remedy=OFFICIAL)
        for row in reader:
            if len(row) != len(head):
                problem = f"{len(row)} fields, the header has {len(head)}"
                raise DatasetError(problem, path=path, line=reader.line_num, remedy=OFFICIAL)
            yield reader.line_num, dict(zip(head, row, strict=True))
    except csv.Error as error:
        raise DatasetError(str(error), path=path, line=reader.line_num, remedy=OFFICIAL) from error

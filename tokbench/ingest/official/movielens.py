"""MovieLens 1M in its official zip (Harper & Konstan, ACM TiiS 2015).

ratings.dat  UserID::MovieID::Rating::Timestamp (seconds)
movies.dat   MovieID::Title::Genre|Genre, in latin-1
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tokbench.api import Progress
from tokbench.datasets.lines import DAMAGED, find_member, read_lines
from tokbench.errors import DatasetError
from tokbench.ingest.interactions import Gatherer, Log
from tokbench.ingest.official.amazon import OFFICIAL, add


def read_log(paths: Sequence[Path], progress: Progress) -> Log:
    """Every rating, whatever its value, as an event."""
    found = Gatherer()
    for line, text in read_lines(paths[0], progress=progress, member="ratings.dat"):
        user, item, _, time = fields(text, 4, paths[0], line)
        add(found, user, item, time, paths[0], line)
    return found.log()


def read_items(paths: Sequence[Path], progress: Progress) -> Iterator[dict[str, object]]:
    """item_id, title (with its year), categories (the genres)."""
    path = paths[0]
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read(find_member(path, archive, "movies.dat"))
    except DAMAGED as error:
        raise DatasetError(f"cut short or damaged: {error}", path=path, remedy=OFFICIAL) from error
    for line, text in enumerate(io.StringIO(content.decode("latin-1")), 1):
        item, title, genres = fields(text.rstrip("\r\n"), 3, path, line)
        yield {"item_id": item, "title": title, "categories": genres.split("|")}


def fields(text: str, count: int, path: Path, line: int) -> list[str]:
    """The fields of a line. Raises DatasetError for another number of them."""
    found = text.split("::")
    if len(found) != count:
        problem = f"{len(found)} fields between '::', expected {count}"
        raise DatasetError(problem, path=path, line=line, remedy=OFFICIAL)
    return found

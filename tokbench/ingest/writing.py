"""Writing a dataset folder, all or nothing: one json object a line, as `Folder` reads it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from tokbench.api import Progress
from tokbench.errors import DatasetError
from tokbench.ingest.download import sha256_of
from tokbench.types import Ints


def json_line(row: Mapping[str, object]) -> str:
    """The object as a line. Half a surrogate pair, which UTF-8 cannot hold, is escaped."""
    text = json.dumps(row, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = json.dumps(row)
    return text + "\n"


def open_for_lines(path: Path) -> IO[str]:
    """The file, to be written alike on every platform."""
    return path.open("w", encoding="utf-8", newline="\n")


def write_sequences(
    path: Path,
    user: Ints,
    item: Ints,
    user_ids: Sequence[str],
    item_ids: Sequence[str],
    *,
    times: Ints | None = None,
    times_called: str = "times",
) -> None:
    """sequences.jsonl from T events that lie user by user, oldest first.

    `user`, `item` and `times` are [T]; the first two index `user_ids` and `item_ids`.
    """
    starts = np.flatnonzero(np.diff(user, prepend=-1)).tolist()
    with open_for_lines(path) as file:
        for start, end in zip(starts, [*starts[1:], len(user)], strict=True):
            row: dict[str, object] = {
                "user_id": user_ids[user[start]],
                "item_ids": [item_ids[n] for n in item[start:end].tolist()],
            }
            if times is not None:
                row[times_called] = times[start:end].tolist()
            file.write(json_line(row))


def files_read(paths: Iterable[Path], progress: Progress) -> list[dict[str, object]]:
    """Name, bytes and sha256 of each file, for the summary of what was read."""
    return [
        {"file": p.name, "bytes": p.stat().st_size, "sha256": sha256_of(p, progress)} for p in paths
    ]


def refuse_existing(out: Path) -> None:
    """Raises DatasetError where there is something at `out` already."""
    if out.exists():
        raise DatasetError("exists already", path=out, remedy="remove it or choose another folder")


@contextmanager
def written_at_once(out: Path) -> Iterator[Path]:
    """A folder to write to that becomes `out` at the end, or vanishes when something goes wrong."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield folder
        folder.chmod(0o755)
        folder.rename(out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise

"""Writing a dataset folder: one compact json object a line, as `Folder` reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from tokbench.types import Ints


def json_line(row: Mapping[str, Any]) -> str:
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
            row: dict[str, Any] = {
                "user_id": user_ids[user[start]],
                "item_ids": [item_ids[n] for n in item[start:end].tolist()],
            }
            if times is not None:
                row[times_called] = times[start:end].tolist()
            file.write(json_line(row))

"""Reading json-lines files: one object at a time, every fault with its file and line.

Readers take a `fault` function, called with each DatasetError found. `stop` raises the first;
`faults.append` collects them all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from tokbench.errors import DatasetError

Fault = Callable[[DatasetError], None]
BOM = b"\xef\xbb\xbf"
ONE_OBJECT = "each line is one json object"


def stop(error: DatasetError) -> NoReturn:
    """The strict `fault`: the first error ends the reading."""
    raise error


def read_objects(path: Path, fault: Fault) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, object) for each line; blank lines, CRLF and a leading BOM are fine."""
    try:
        file = path.open("rb")
    except OSError as error:
        fault(DatasetError(f"cannot be read: {error.strerror}", path=path))
        return
    with file:
        for line, raw in enumerate(file, start=1):
            if line == 1:
                raw = raw.removeprefix(BOM)
            if not raw.strip():
                continue
            try:
                row = json.loads(raw.decode("utf-8"))
            except UnicodeDecodeError:
                fault(DatasetError("not UTF-8", path=path, line=line, remedy="save it as UTF-8"))
                continue
            except (ValueError, RecursionError) as error:
                problem = f"malformed json: {getattr(error, 'msg', None) or error}"
                fault(DatasetError(problem, path=path, line=line, remedy=ONE_OBJECT))
                continue
            if not isinstance(row, dict):
                problem = f"expected a json object, found {kind(row)}"
                fault(DatasetError(problem, path=path, line=line, remedy=ONE_OBJECT))
                continue
            yield line, row


def kind(value: object) -> str:
    """What json calls the type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {dict: "an object", list: "a list", str: "a string", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)

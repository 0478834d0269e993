"""Lines of a text file as UTF-8, every byte that is not reported with its line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tokbench.datasets.jsonl import BOM, Fault
from tokbench.errors import DatasetError
from tokbench.ingest.lines import LONGEST

SAVE_AS = "save it as UTF-8"


def text_lines(path: Path, fault: Fault) -> Iterator[tuple[int, str]]:
    """(line number from 1, the line with its end) of a file, without a leading BOM.

    Raises DatasetError for a file that cannot be read or has a line of more than LONGEST bytes.
    """
    try:
        with path.open("rb") as file:
            number = 0
            while raw := file.readline(LONGEST + 1):
                number += 1
                if len(raw) > LONGEST:
                    problem = f"a line of more than {LONGEST >> 20} MB"
                    raise DatasetError(problem, path=path, line=number)
                if number == 1:
                    raw = raw.removeprefix(BOM)
                yield number, _decoded(raw, path, number, fault)
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror or error}", path=path) from error


def whole_text(path: Path) -> str:
    """The file's content. Raises DatasetError naming the line of a byte that is not UTF-8."""
    try:
        raw = path.read_bytes().removeprefix(BOM)
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror or error}", path=path) from error
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DatasetError("not UTF-8", path=path, line=line, remedy=SAVE_AS) from error


def _decoded(raw: bytes, path: Path, line: int, fault: Fault) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        fault(DatasetError("not UTF-8", path=path, line=line, remedy=SAVE_AS))
        return raw.decode("utf-8", "replace")

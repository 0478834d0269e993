"""What was found in a record file of the same bytes by the same code, so that it need not be
counted again. `tokbench verify` never asks; the site does, which is written again and again."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from tokbench.schema.record import write_text

PACKAGE = Path(__file__).parents[1]


class Remembered:
    """Reasons by content, kept in one json file; what cannot be read is forgotten."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._asked: dict[str, list[str]] = {}
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            self._known = found["reasons"] if found["code"] == code_digest() else {}
        except (OSError, ValueError, KeyError, TypeError):
            self._known = {}

    def get(self, key: str) -> list[str] | None:
        """What was found; None where nobody looked."""
        found = self._asked.get(key, self._known.get(key))
        if found is not None:
            self._asked[key] = found
        return found

    def put(self, key: str, reasons: list[str]) -> None:
        """Keep what was found."""
        self._asked[key] = reasons

    def save(self) -> None:
        """Write what was asked for this time; the rest is of records that are no more."""
        content = {"code": code_digest(), "reasons": self._asked}
        write_text(self.file, json.dumps(content))


def key_of(path: Path, root: Path) -> str:
    """sha256 of a record file's bytes and of its place under `root`, where it has to lie."""
    place = path.relative_to(root).as_posix()
    return hashlib.sha256(place.encode() + b"\0" + path.read_bytes()).hexdigest()


@cache
def code_digest() -> str:
    """sha256 of all of tokbench's code: after any change everything is counted again."""
    sha = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        sha.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return sha.hexdigest()

"""Format `json`: one object, item id -> list of codes: {"7": [12, 7, 3]}.

APAO, UniGenRec and others publish tables in this form.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tokbench.errors import DatasetError, Fault
from tokbench.ids.code_table import CodeTable, Found, ItemCodes

LAYOUT = 'a json object of item ids, {"7": [12, 7, 3]}'


def read(path: Path, fault: Fault) -> Found:
    """Rows in file order. Raises DatasetError for a file that holds no such object."""
    rows = []
    for item, codes in read_pairs(path):
        if isinstance(codes, list):
            rows.append(ItemCodes(item, codes))
        else:
            fault(DatasetError(f"item {item!r} has no list of codes", path=path, remedy=LAYOUT))
    return Found(rows)


def encode(table: CodeTable) -> dict[str, bytes]:
    """The file's content; one item per line, so that tables can be compared by line."""
    return {"": write_pairs(zip(table.item_ids, table.ids.codes.tolist(), strict=True))}


def read_pairs(path: Path) -> list[tuple[str, object]]:
    """The members of the object in a file, repeated names included.

    Python's own reader keeps the last of two equal names in silence: here both are seen.
    """
    try:
        found = json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=_Object)
    except UnicodeDecodeError as error:
        raise DatasetError("not UTF-8", path=path, remedy="save it as UTF-8") from error
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        problem = f"malformed json: {getattr(error, 'msg', None) or error}"
        raise DatasetError(problem, path=path, line=line, remedy=LAYOUT) from error
    if not isinstance(found, _Object):
        raise DatasetError("no json object", path=path, remedy=LAYOUT)
    return found.members


def write_pairs(pairs: Iterable[tuple[str, object]]) -> bytes:
    """(name, value) pairs as one json object, a member per line, ASCII."""
    members = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs]
    return ("{\n" + ",\n".join(members) + "\n}\n").encode("ascii")


@dataclass(frozen=True)
class _Object:
    """A json object, kept apart from the lists in the file."""

    members: list[tuple[str, object]]

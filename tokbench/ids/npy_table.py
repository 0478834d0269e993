"""Format `npy`: an integer array [N, M], and a file beside it that says whose codes these are.

FILE.npy.json is {"item_ids": ["7", ...], "level_sizes": [64, 64, 64]}; level_sizes may be absent.
Nothing is unpickled.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokbench.errors import DatasetError, Fault
from tokbench.ids.code_table import CodeTable, Found, ItemCodes, read_sizes
from tokbench.ids.json_table import read_pairs

BESIDE = ".json"
LAYOUT = 'beside FILE.npy stands FILE.npy.json, {"item_ids": ["7", ...]}, an id per row'


def ids_file(path: Path) -> Path:
    """The file beside the array, which has the item ids."""
    return path.with_name(path.name + BESIDE)


def read(path: Path, fault: Fault) -> Found:
    """Rows in the array's order. Raises DatasetError when array and item ids do not fit."""
    codes, beside = _array(path), ids_file(path)
    if not beside.is_file():
        raise DatasetError("no such file", path=beside, remedy=LAYOUT)
    facts: dict[str, object] = dict(read_pairs(beside))
    items = facts.get("item_ids")
    if not isinstance(items, list):
        raise DatasetError("no list of item_ids", path=beside, remedy=LAYOUT)
    if len(items) != len(codes):
        problem = f"{len(items)} item ids for {len(codes)} rows of codes"
        raise DatasetError(problem, path=beside, remedy=LAYOUT)
    rows = [ItemCodes(item, row) for item, row in zip(items, codes.tolist(), strict=True)]
    return Found(rows, read_sizes(facts.get("level_sizes"), beside))


def encode(table: CodeTable) -> dict[str, bytes]:
    """The content of both files, by what is added to the name."""
    stream = io.BytesIO()
    np.save(stream, table.ids.codes, allow_pickle=False)
    facts: dict[str, object] = {"item_ids": table.item_ids}
    if table.sizes_known:
        facts["level_sizes"] = table.ids.level_sizes
    return {"": stream.getvalue(), BESIDE: (json.dumps(facts) + "\n").encode("ascii")}


def _array(path: Path) -> NDArray[Any]:
    """The integer array [N, M] in a file."""
    try:
        # mapped, so that a damaged header cannot ask for more memory than the file has bytes
        codes: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy raises many kinds on damaged bytes
        reason = str(error).partition("\n")[0]
        raise DatasetError(f"not a readable npy file: {reason}", path=path) from error
    if not isinstance(codes, np.ndarray):
        raise DatasetError("an archive of arrays", path=path, remedy="save one array with np.save")
    if codes.ndim != 2 or not np.issubdtype(codes.dtype, np.integer):
        problem = f"an array {list(codes.shape)} of {codes.dtype}"
        raise DatasetError(problem, path=path, remedy="codes are integers [N items, M levels]")
    return codes

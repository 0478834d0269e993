"""Format `lc-rec`: one json object, item id -> tokens: {"7": ["<a_12>", "<b_7>", "<c_3>"]}.

The index files (NAME.index.json) of LC-Rec (arXiv 2311.09049), LETTER (arXiv 2405.07314) and
MiniOneRec. The letter names the level: a is the first.
"""

from __future__ import annotations

import re
from pathlib import Path
from string import ascii_lowercase

from tokbench.errors import ConfigError, DatasetError, Fault
from tokbench.ids.code_table import CodeTable, Found, ItemCodes
from tokbench.ids.json_table import read_pairs, write_pairs

LAYOUT = 'item ids with a token per level, {"7": ["<a_12>", "<b_7>", "<c_3>"]}'
_TOKEN = re.compile(r"<([a-z])_(0|[1-9][0-9]{0,9})>")


def read(path: Path, fault: Fault) -> Found:
    """Rows in file order. Raises DatasetError for a file that holds no json object."""
    rows = []
    for item, tokens in read_pairs(path):
        problem = f"item {item!r} has no list of tokens"
        if isinstance(tokens, list):
            codes = [_code(token, level) for level, token in enumerate(tokens)]
            wrong = [code for code in codes if isinstance(code, str)]
            if not wrong:
                rows.append(ItemCodes(item, codes))
                continue
            problem = f"item {item!r}, {wrong[0]}"
        fault(DatasetError(problem, path=path, remedy=LAYOUT))
    return Found(rows)


def encode(table: CodeTable) -> dict[str, bytes]:
    """The file's content. Raises ConfigError beyond 26 levels, where letters end."""
    if table.ids.levels > len(ascii_lowercase):
        raise ConfigError(
            f"format lc-rec names levels a to z, this table has {table.ids.levels}; use json"
        )
    rows = (
        [f"<{letter}_{code}>" for letter, code in zip(ascii_lowercase, codes, strict=False)]
        for codes in table.ids.codes.tolist()
    )
    return {"": write_pairs(zip(table.item_ids, rows, strict=True))}


def _code(token: object, level: int) -> int | str:
    """The code in a token of that level (from 0), or what is wrong with it."""
    match = _TOKEN.fullmatch(token) if isinstance(token, str) else None
    if match is None:
        return f"level {level + 1}: {token!r} is no token"
    letter, code = match.groups()
    if level >= len(ascii_lowercase) or letter != ascii_lowercase[level]:
        expected = ascii_lowercase[level] if level < len(ascii_lowercase) else "no letter"
        return f"level {level + 1}: {token!r} has the letter {letter}, expected {expected}"
    return int(code)

"""What changed between two code tables of (mostly) the same items."""

from __future__ import annotations

import numpy as np

from tokbench.errors import DatasetError
from tokbench.ids.code_table import CodeTable
from tokbench.report.stability import agreement
from tokbench.report.tables import Column, Entry, Table
from tokbench.types import SemanticIds

COLUMNS = (Column("measure"), Column("figure", "figure"), Column("shuffled", "figure"))


def churn(old: CodeTable, new: CodeTable) -> Table:
    """Items added and dropped, and of those in both the share that keeps its tuple, its first D
    codes and its code at each level; as they are, and with the names of codes matched.

    Raises DatasetError where the two share no item, or have other numbers of levels.
    """
    rows = new.rows_of(old.item_ids)
    here = np.flatnonzero(rows >= 0)
    if not len(here):
        raise DatasetError("the two tables share no item")
    if old.ids.levels != new.ids.levels:
        raise DatasetError(f"{old.ids.levels} codes an item in one, {new.ids.levels} in the other")
    a, b = old.ids.codes[here], new.ids.codes[rows[here]]
    same = a == b
    lines: list[tuple[Entry, ...]] = [
        ("items in both", len(here), None),
        ("items dropped", len(old) - len(here), None),
        ("items added", len(new) - len(here), None),
        ("tuple kept", float(same.all(axis=1).mean()), None),
    ]
    for depth in range(1, old.ids.levels):
        lines.append((f"first {depth} kept", float(same[:, :depth].all(axis=1).mean()), None))
    for level in range(old.ids.levels):
        lines.append((f"code of level {level + 1} kept", float(same[:, level].mean()), None))
    sizes = tuple(map(max, zip(old.ids.level_sizes, new.ids.level_sizes, strict=True)))
    found = agreement(SemanticIds(a, sizes), SemanticIds(b, sizes))
    for name, value in found.items():
        if not name.endswith("/shuffled"):
            lines.append((name, value, found.get(f"{name}/shuffled")))
    note = (
        "stability/levelL: share of items with the same code once the names of the codes of that "
        "level are matched as well as possible, and of items in random order; stability/depthD: "
        "adjusted Rand index of the items grouped by their first D codes, 1 the same groups."
    )
    return Table("", COLUMNS, tuple(lines), note)

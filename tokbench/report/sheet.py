"""A table of named columns in every form that `tokbench report` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokbench.report.render import markdown_table

if TYPE_CHECKING:
    import pandas
    from rich.table import Table

Interval = tuple[float, float]
LEAST = 1e-4  # a smaller figure is not told from zero
Cell = str | int | float | Interval | None  # an interval has two bounds; None is an empty cell


@dataclass(frozen=True)
class Sheet:
    """Rows under `heads`, and `words` that say what they show. `grouped`: rows whose first cells
    are equal belong together."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    words: str = ""
    grouped: bool = False


def text(cell: Cell) -> str:
    """A cell for people: four decimals below 1, four digits above, bounds in brackets."""
    if cell is None:
        return ""
    if isinstance(cell, tuple):
        return f"[{cell[0]:.4f}, {cell[1]:.4f}]"
    if isinstance(cell, float):
        if 0 < cell < LEAST:
            return f"<{LEAST:.4f}"
        return f"{cell:.4f}" if abs(cell) < 1 else f"{cell:.4g}"
    return str(cell)


def as_markdown(sheets: Sequence[Sheet]) -> str:
    """A heading, a table and the words, sheet by sheet."""
    parts = []
    for sheet in sheets:
        rows = [[text(cell) for cell in row] for row in sheet.rows]
        parts += [f"### {sheet.title}\n", markdown_table(sheet.heads, rows)]
        parts += [f"{sheet.words}\n"] if sheet.words else []
    return "\n".join(parts)


def frame(sheets: Sequence[Sheet]) -> pandas.DataFrame:
    """All rows of all sheets under their sheet's title; an interval is two columns."""
    import pandas

    return pandas.DataFrame(
        [{"board": sheet.title} | row for sheet in sheets for row in _flat(sheet)]
    )


def as_csv(sheets: Sequence[Sheet]) -> str:
    """`frame` as csv."""
    return str(frame(sheets).to_csv(index=False, lineterminator="\n"))


def as_json(sheets: Sequence[Sheet]) -> str:
    """Sheets with one object per row."""
    found = [
        {
            "board": sheet.title,
            "rows": _flat(sheet),
            "words": sheet.words,
        }
        for sheet in sheets
    ]
    return json.dumps(found, indent=1) + "\n"


def _flat(sheet: Sheet) -> list[dict[str, object]]:
    """Each row by heads; where any row has an interval, all have two bounds."""
    cells = [(n, cell) for row in sheet.rows for n, cell in enumerate(row)]
    bounded = {n for n, cell in cells if isinstance(cell, tuple)}
    rows = []
    for row in sheet.rows:
        flat: dict[str, object] = {}
        for n, (head, cell) in enumerate(zip(sheet.heads, row, strict=True)):
            if n in bounded:
                low, high = cell if isinstance(cell, tuple) else (None, None)
                flat |= {f"{head}/low": low, f"{head}/high": high}
            else:
                flat[head] = cell
        rows.append(flat)
    return rows


def rich_table(sheet: Sheet) -> Table:
    """For the terminal; a line between groups of rows."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(sheet.title), title_justify="left", title_style="bold")
    for n, head in enumerate(sheet.heads):
        number = any(not isinstance(row[n], str) for row in sheet.rows)
        widest = max(len(text(row[n])) for row in sheet.rows) if number else None
        table.add_column(escape(head), justify="right" if number else "left", overflow="fold",
                         min_width=widest)  # fmt: skip
    for row, below in zip(sheet.rows, [*sheet.rows[1:], None], strict=True):
        ends = sheet.grouped and below is not None and below[0] != row[0]
        table.add_row(*(escape(text(cell)) for cell in row), end_section=ends)
    return table

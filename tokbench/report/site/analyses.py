"""What a page says beside a board: parts of the users, decoding, measures of the codes, costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tokbench.report.costs import cost_sheets, decoding_sheets
from tokbench.report.intrinsic import intrinsic_sheets
from tokbench.report.sheet import Cell, Sheet, text
from tokbench.report.slices import slice_sheets
from tokbench.schema.record import Record


@dataclass(frozen=True)
class Analysis:
    """Sheets under one heading."""

    key: str
    heading: str
    sheets: tuple[Sheet, ...]


def analyses(table: Sequence[Record]) -> list[Analysis]:
    """Those of the records of one board that have rows."""
    found = (
        Analysis("slices", "For which users", tuple(slice_sheets(table))),
        Analysis("decoding", "Where decoding fails", tuple(decoding_sheets(table))),
        Analysis("intrinsic", "Measures of the codes", tuple(intrinsic_sheets(table))),
        Analysis("costs", "Costs", tuple(cost_sheets(table))),
    )
    return [analysis for analysis in found if any(sheet.rows for sheet in analysis.sheets)]


def is_text(sheet: Sheet, column: int) -> bool:
    """Words and intervals stand left, numbers right."""
    return all(isinstance(row[column], (str, tuple)) for row in sheet.rows)


def starts_group(sheet: Sheet, row: int) -> bool:
    """Does another group of rows begin here?"""
    return sheet.grouped and row > 0 and sheet.rows[row][0] != sheet.rows[row - 1][0]


def cell_text(cell: Cell) -> str:
    """As `tokbench report` prints it, an interval as on the other pages."""
    if isinstance(cell, tuple):
        return f"{cell[0]:.4f}\N{EN DASH}{cell[1]:.4f}"
    return text(cell)

"""What a page says beside a board: parts of the users, decoding, measures of the codes, costs."""

from __future__ import annotations

from dataclasses import dataclass

from tokbench.report.reports import make
from tokbench.report.result_set import Board, ResultSet
from tokbench.report.tables import Table

HEADINGS = {  # report -> its heading here
    "slices": "For which users",
    "decoding": "Where decoding fails",
    "intrinsic": "Measures of the codes",
    "costs": "Costs",
}


@dataclass(frozen=True)
class Analysis:
    """Tables under one heading."""

    key: str
    heading: str
    tables: tuple[Table, ...]


def analyses(board: Board) -> list[Analysis]:
    """Those that have something to show of a board."""
    results = ResultSet(board.records, [board])
    found = (Analysis(name, heading, tuple(make(name, results, "html")))
             for name, heading in HEADINGS.items())  # fmt: skip
    return [analysis for analysis in found if analysis.tables]

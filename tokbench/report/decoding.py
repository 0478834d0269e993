"""Where decoding fails: at which level beams lose the target, and what every tuple would give."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from tokbench.report.result_set import Board, ResultSet
from tokbench.report.tables import METHOD, Column, Table
from tokbench.schema.record import Outcome

PREFIX = "decoding/"
NOTE = (
    "survival: share of users of whom some final beam shares the target's first codes; what it "
    "loses from one level to the next went wrong there. found@k: share of the k best tuples of an "
    "exhaustive search that the beam's first k hold; Recall@10 by either search; all three on the "
    "same sample of users, where the generator can score all tuples and the catalogue is small."
)


def tables(results: ResultSet) -> list[Table]:
    """A table per board that has such figures, a row per method."""
    return [table for board in results.boards if (table := _table(board)).rows]


def _table(board: Board) -> Table:
    done = {row.method: [run.outcome for run in row.runs if run.outcome is not None]
            for row in board.rows}  # fmt: skip
    done = {method: outcomes for method, outcomes in done.items() if _names(outcomes)}
    names = sorted({name for outcomes in done.values() for name in _names(outcomes)}, key=_rank)
    rows = [
        (*method, *(_mean(outcomes, name) for name in names)) for method, outcomes in done.items()
    ]
    heads = (Column(name.removeprefix(PREFIX), "figure") for name in names)
    return Table(str(board.title), (*METHOD, *heads), tuple(rows), NOTE)


def _names(outcomes: Sequence[Outcome]) -> set[str]:
    return {name for o in outcomes for name in o.figures if name.startswith(PREFIX)}


def _rank(name: str) -> tuple[bool, str]:
    return not name.startswith("decoding/survival"), name


def _mean(outcomes: Sequence[Outcome], name: str) -> float | None:
    values = [o.figures[name].value for o in outcomes if name in o.figures]
    return fmean(values) if values else None

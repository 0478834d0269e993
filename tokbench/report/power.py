"""What a board can see: the difference that so many seeds and its users would find."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from tokbench.report.outcomes import HEADLINE
from tokbench.report.result_set import Board, ResultSet
from tokbench.report.tables import Column, Entry, Table
from tokbench.stats.power import Components, components, detectable, runs_needed, users_needed

RUNS = (1, 3, 5, 10)
NOTE = (
    "Two rows of one family, with n runs each: the difference of their means that a paired test at "
    "5 % finds four times in five, and as a share of the family's mean; from the variance of users "
    "and runs that these records have, the mean over pairs of rows. Where every row of a family "
    "was run once nothing is found: what another run would change is then not known. runs needed: "
    "of each row, on these users; users needed: with the runs that rows here have; never: no "
    "number does it."
)


@dataclass(frozen=True)
class FamilyPower:
    """The rows of a family that were run more than once, and how they differ."""

    family: str
    parts: Components  # of two of its rows
    rows: int
    runs: int  # independent ones that most of the rows have
    users: int
    mean: float  # of its rows

    def detectable(self, runs: int) -> tuple[float, float]:
        """(difference, its share of the mean) with so many runs a row; infinite for one run."""
        found = detectable(self.parts, runs=runs, users=self.users, rows=self.rows)
        return found, found / abs(self.mean) if self.mean else math.inf

    def needed(self, share: float) -> tuple[int | None, int | None]:
        """(runs on these users, users with these runs) to see `share` of the mean; None: never."""
        wished = share * abs(self.mean)
        runs = runs_needed(wished, self.parts, users=self.users, rows=self.rows)
        return runs, users_needed(wished, self.parts, runs=self.runs, rows=self.rows)


def powers(board: Board, figure: str) -> Iterator[FamilyPower]:
    """Of each family with two rows or more that were run more than once."""
    if not board.methods.same_users:
        return
    for family in sorted(board.methods.variances(figure)):
        rows = [
            row
            for n, row in board.methods.samples(figure).items()
            if board.methods.families[n] == family and row.runs > 1
        ]
        if len(rows) > 1:
            runs = Counter(row.runs for row in rows).most_common(1)[0][0]
            mean = fmean(row.mean for row in rows)
            users = len(rows[0].users)
            yield FamilyPower(family, components(rows), len(rows), runs, users, mean)


def tables(results: ResultSet, *, figure: str = HEADLINE, wished: float = 0.03) -> list[Table]:
    """One per setting, a line per dataset and family; none where no two rows were repeated."""
    settings: dict[str, list[tuple[Entry, ...]]] = {}
    for board in results.boards:
        for one in powers(board, figure):
            line = (board.title.dataset, one.family, one.rows, one.users, one.runs, one.mean)
            seen = tuple(_seen(*one.detectable(runs)) for runs in RUNS)
            needed = tuple("never" if n is None else n for n in one.needed(wished))
            settings.setdefault(board.title.setting, []).append((*line, *seen, *needed))
    columns = _columns(RUNS, wished)
    return [
        Table(f"{figure} · {setting}", columns, tuple(lines), NOTE)
        for setting, lines in settings.items()
    ]


def _columns(runs: Sequence[int], wished: float) -> tuple[Column, ...]:
    share = f"{100 * wished:g} %"
    return (
        Column("dataset"), Column("family"), Column("rows", "count"), Column("users", "count"),
        Column("runs", "count"), Column("mean", "figure"),
        *(Column(f"{n} run{'s' if n > 1 else ''}") for n in runs),
        Column(f"runs needed for {share}", "count"), Column(f"users needed for {share}", "count"),
    )  # fmt: skip


def _seen(difference: float, share: float) -> str:
    return f"{difference:.4f} ({100 * share:.1f} %)" if math.isfinite(difference) else ""

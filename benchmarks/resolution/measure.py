"""The difference that so many runs, or so many core-hours, find between two rows of one kind.

A kind is a board's semantic rows under one generator and collision policy. What users and runs vary
is pooled over its rows alone (tokbench.stats): rows of another generator may vary otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from scipy.special import ndtri
from scipy.stats import t

from tokbench.report.outcomes import BITS, HEADLINE, Methods
from tokbench.report.result_set import Board
from tokbench.report.rows import Row
from tokbench.schema.record import Record
from tokbench.stats.power import Components, components, detectable

FIGURES = (HEADLINE, "ndcg@10", BITS)
POWER = 0.8
STAGES = ("tokenize", "address", "train", "generate", "likelihood")  # what a run cannot share


@dataclass(frozen=True)
class Kind:
    """Semantic rows of a board under one generator and policy."""

    board: Board
    generator: str
    policy: str
    rows: tuple[Row, ...]

    @property
    def hours(self) -> float:
        """Core-hours of a run, mean over runs."""
        return fmean(core_hours(run) for row in self.rows for run in row.runs)


@dataclass(frozen=True)
class Resolution:
    """Of one kind in one figure."""

    kind: Kind
    figure: str
    users: int
    mean: float
    gap: float | None  # to random codes under the same generator; None: not run
    parts: Components
    df: int  # degrees of freedom behind the run variance
    total: float  # s^2 of one run, as it was pooled over all trained rows of the board

    def seen(self, runs: int, users: float | None = None) -> float:
        """The difference found four times in five with so many runs of both rows; infinite with
        one, where nothing is claimed."""
        return detectable(
            self.parts, runs=runs, users=users or self.users, rows=len(self.kind.rows)
        )

    def runs_in(self, hours: float) -> int:
        """Whole runs of a row in so many core-hours."""
        return math.floor(hours / self.kind.hours)

    @property
    def floor(self) -> float:
        """The same with runs without end: what these users leave open."""
        error = math.sqrt(self.parts.lasting / self.users)
        return float(ndtri(0.975) + ndtri(POWER)) * error

    def before(self, runs: int) -> float:
        """The same by the statistics that were replaced: s^2 as it is, pooled over all trained
        rows, added to the users' variance (benchmarks/calibration)."""
        users = self.parts.lasting / self.users + self.parts.flips / (runs * self.users)
        trained = 2 * self.total / runs
        error = math.sqrt(users + trained)
        df = max(1.0, self.df * ((users + trained) / trained) ** 2) if trained else 1e9
        return float(t.ppf(0.975, df) + ndtri(POWER)) * error


def core_hours(run: Record) -> float:
    """Of the stages that a run has to itself."""
    costs = run.provenance.costs
    threads = int(run.provenance.environment.get("threads", "1"))
    return sum(costs[stage].seconds for stage in STAGES if stage in costs) * threads / 3600


def kinds(boards: Sequence[Board]) -> Iterator[Kind]:
    """Every kind of two rows or more."""
    for board in boards:
        found: dict[tuple[str, str], list[Row]] = {}
        for row, family in zip(board.rows, board.methods.families, strict=True):
            if family == "semantic":
                found.setdefault((row.generator, row.policy), []).append(row)
        for (generator, policy), rows in found.items():
            if len(rows) > 1 and board.methods.same_users:
                yield Kind(board, generator, policy, tuple(rows))


def resolutions(boards: Sequence[Board]) -> Iterator[Resolution]:
    """Of every kind in every figure, where some row was run more than once."""
    for kind in kinds(boards):
        methods = Methods([kind.board.outcomes(row) for row in kind.rows])
        for figure in FIGURES:
            rows = [*methods.samples(figure).values()]
            if len(rows) > 1 and rows[0].covers_runs:
                yield _resolution(kind, figure, methods)


def _resolution(kind: Kind, figure: str, methods: Methods) -> Resolution:
    rows = [*methods.samples(figure).values()]
    mean = fmean(row.mean for row in rows)
    random = [
        row.values[figure]
        for row in kind.board.rows
        if row.method == ("random", kind.policy, kind.generator) and figure in row.values
    ]
    trained = [
        one.figures[figure]
        for one, family in zip(
            kind.board.methods.outcomes, kind.board.methods.families, strict=True
        )
        if family is not None and figure in one.figures
    ]
    squares = [len(one) * one.mean(axis=1).var() for one in trained if len(one) > 1]
    df = sum(len(one) - 1 for one in trained if len(one) > 1)
    return Resolution(
        kind=kind,
        figure=figure,
        users=len(rows[0].users),
        mean=mean,
        gap=abs(mean - random[0]) if random else None,
        parts=components(rows),
        df=df,
        total=sum(squares) / df if df else 0.0,
    )

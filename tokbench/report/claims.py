"""A paper's claims as checked statements: holds, does not hold, cannot tell.

The rule. A claim is an order of points along one axis: an order of n values makes the n - 1 steps
between neighbours, a best value makes a step from each other value up to it. Each step says that
the second point is above the first on a figure. It is tested two-sided, as rows of a board are:
over the users both points share and over training runs, whose variance is pooled over the points
that were run twice (stats/pairs.py). The p values of all steps of all claims are adjusted together
by Holm's method, the intervals by Bonferroni's.

    does not hold   some step goes the other way, significantly
    holds           every step goes as claimed, significantly
    cannot tell     otherwise: a step is too small for these users, or one of its points is a gap

So "rises" means at every step, not on the whole. Where no point was run twice nothing is known of
training runs, and no step is significant; its interval and p are of the users alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tokbench.report.difference import Difference
from tokbench.report.grid_points import GridPoints
from tokbench.schema.grid_file import ROWS, Claim, Point, Value
from tokbench.stats.estimate import Estimate
from tokbench.stats.family_wise import holm

Ruling = Literal["holds", "does not hold", "cannot tell"]


@dataclass(frozen=True)
class Step:
    """`upper` is claimed to be above `lower` on `figure`; `gap` says why it cannot be tested."""

    figure: str
    lower: str
    upper: str
    gap: str = ""
    means: tuple[float, float] = (0.0, 0.0)
    estimate: Estimate | None = None  # of the step alone; None: a gap
    difference: Difference | None = None  # for all steps together

    @property
    def sign(self) -> int:
        """+1 as claimed, -1 the other way, 0 not significant or not measured."""
        return 0 if self.difference is None else self.difference.sign

    def __str__(self) -> str:
        if self.difference is None:  # whatever the figure
            return f"{self.lower} → {self.upper}: not measured ({self.gap})"
        metric, _, k = self.figure.partition("@")
        return (
            f"{'NDCG' if metric == 'ndcg' else 'Recall'}@{k}, {self.lower} → {self.upper}: "
            f"{self.means[0]:.4f} → {self.means[1]:.4f}, {self.difference}, "
            f"{_p(self.difference.p)}{'' if self.difference.covers_runs else ' (users only)'}"
        )


@dataclass(frozen=True)
class Judged:
    """A claim, what the records say of it, and why."""

    claim: Claim
    verdict: Ruling
    steps: tuple[Step, ...]


def judge(grid: GridPoints) -> list[Judged]:
    """Every claim of the file, on one grid."""
    untested = [list(_steps(grid, claim)) for claim in grid.file.claims]
    flat = [step for steps in untested for step in steps]
    corrected = iter(_corrected(flat))
    judged = []
    for claim, steps in zip(grid.file.claims, untested, strict=True):
        tested = tuple(next(corrected) for _ in steps)
        judged.append(Judged(claim, verdict([step.sign for step in tested]), tested))
    return judged


def verdict(signs: Sequence[int]) -> Ruling:
    """By the rule above, from the sign of each step."""
    if -1 in signs:
        return "does not hold"
    return "holds" if all(sign == 1 for sign in signs) else "cannot tell"


def _corrected(steps: Sequence[Step]) -> list[Step]:
    """With p and intervals for all of the steps that could be tested together."""
    found = [step.estimate for step in steps if step.estimate]
    corrected = iter(holm(np.array([one.p for one in found])).tolist())
    return [
        replace(step, difference=Difference.of(step.estimate, next(corrected), len(found)))
        if step.estimate
        else step
        for step in steps
    ]


def _steps(grid: GridPoints, claim: Claim) -> Iterator[Step]:
    option, values = _axis(grid, claim)
    if claim.best is None:
        pairs = list(itertools.pairwise(claim.order))
    else:
        pairs = [(value, claim.best) for value in values if value != claim.best]
    for figure in claim.figures:
        for lower, upper in pairs:
            yield _step(grid, claim, figure, option, (lower, upper))


def _axis(grid: GridPoints, claim: Claim) -> tuple[str, list[Value]]:
    """The option along which the claim orders points, and its values."""
    for panel in grid.file.panels:
        if panel.name == claim.panel:
            axis = next(axis for axis in panel.axes if axis.option not in claim.at)
            return axis.option, [*axis.values]
    return ROWS, [value for point in grid.points for _, value in point.at]


def _step(
    grid: GridPoints, claim: Claim, figure: str, option: str, values: tuple[Value, Value]
) -> Step:
    symbol = {axis.option: axis.symbol for panel in grid.file.panels for axis in panel.axes}
    names = [str(value) if option == ROWS else f"{symbol[option]} = {value}" for value in values]
    points = [_point(grid, claim, option, value) for value in values]
    gaps = [
        f"{name}: {grid.gaps[point] if point else 'not in this run'}"
        for name, point in zip(names, points, strict=True)
        if point is None or point in grid.gaps
    ]
    if gaps:
        return Step(figure, names[0], names[1], gap="; ".join(gaps))
    lower, upper = (grid.place(point) for point in points if point)
    estimate = grid.methods.difference(upper, lower, figure)
    means = [grid.methods.outcomes[n].mean(figure) for n in (lower, upper)]
    return Step(figure, names[0], names[1], "", (means[0], means[1]), estimate)


def _point(grid: GridPoints, claim: Claim, option: str, value: Value) -> Point | None:
    wanted = {**claim.at, option: value}
    for point in grid.points:
        if point.panel == claim.panel and dict(point.at) == wanted:
            return point
    return None


def lines(judged: Sequence[Judged]) -> Iterator[str]:
    """The verdict on each claim, and the numbers behind it; a gap once for all figures."""
    for one in judged:
        yield f"{one.verdict}: {one.claim.says}"
        yield from dict.fromkeys(f"    {step}" for step in one.steps)


def _p(p: float) -> str:
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}"

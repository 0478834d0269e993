"""A paper's claims as checked statements: holds, does not hold, cannot tell.

The rule. A claim is an order of points along one axis: an order of n values makes the n - 1 steps
between neighbours, a best value makes a step from each other value up to it. Each step says that
the second point is above the first on a figure. It is tested two-sided, as rows of a board are:
over the users both points share, seeds averaged per user (report/paired.py), with what training
runs vary added where some point was run twice (report/training.py, pooled over the points). The p
values of all steps of all claims of a sheet are corrected together by Holm's method.

    does not hold   some step goes the other way, and the test says so (p < 0.05)
    holds           every step goes as claimed, and the test says so for each
    cannot tell     otherwise: a step is too small for these users, or one of its points is a gap

So "rises" means at every step, not on the whole. With one seed a point the test covers the sampling
of users only.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tokbench.report.board import FIGURES
from tokbench.report.grid_sheet import GridSheet, stack
from tokbench.schema.grid_file import ROWS, Claim, Point, Value
from tokbench.stats.bootstrap import bootstrap
from tokbench.stats.groups import LEVEL
from tokbench.stats.paired import all_pairs, differences, holm

Verdict = Literal["holds", "does not hold", "cannot tell"]


@dataclass(frozen=True)
class Step:
    """`upper` is claimed to be above `lower` on `figure`; `gap` says why it cannot be tested."""

    figure: str
    lower: str
    upper: str
    gap: str = ""
    means: tuple[float, float] = (0.0, 0.0)
    difference: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)  # 95 %
    p: float = 1.0  # after Holm's correction

    @property
    def told(self) -> int:
        """+1 as claimed, -1 the other way, 0 cannot be told."""
        return 0 if self.gap or self.p >= LEVEL else int(np.sign(self.difference))

    def __str__(self) -> str:
        if self.gap:  # whatever the figure
            return f"{self.lower} → {self.upper}: not measured ({self.gap})"
        metric, _, k = self.figure.partition("@")
        low, high = self.interval
        return (
            f"{'NDCG' if metric == 'ndcg' else 'Recall'}@{k}, {self.lower} → {self.upper}: "
            f"{self.means[0]:.4f} → {self.means[1]:.4f}, {self.difference:+.4f} "
            f"[{low:+.4f}, {high:+.4f}], {_p(self.p)}"
        )


@dataclass(frozen=True)
class Judged:
    """A claim, what the records say of it, and why."""

    claim: Claim
    verdict: Verdict
    steps: tuple[Step, ...]


def judge(sheet: GridSheet) -> list[Judged]:
    """Every claim of the file, on one sheet."""
    untested = [list(_steps(sheet, claim)) for claim in sheet.file.claims]
    flat = [step for steps in untested for step in steps]
    corrected = iter(_corrected(flat))
    judged = []
    for claim, steps in zip(sheet.file.claims, untested, strict=True):
        tested = tuple(next(corrected) for _ in steps)
        judged.append(Judged(claim, verdict([step.told for step in tested]), tested))
    return judged


def verdict(told: Sequence[int]) -> Verdict:
    """By the rule above, from what was told of each step."""
    if -1 in told:
        return "does not hold"
    return "holds" if all(step == 1 for step in told) else "cannot tell"


def _corrected(steps: Sequence[Step]) -> list[Step]:
    """With p values that Holm's method has corrected over the steps that could be tested."""
    adjusted = iter(holm(np.array([step.p for step in steps if not step.gap])))
    return [step if step.gap else replace(step, p=float(next(adjusted))) for step in steps]


def _steps(sheet: GridSheet, claim: Claim) -> Iterator[Step]:
    option, values = _axis(sheet, claim)
    if claim.best is None:
        pairs = list(itertools.pairwise(claim.order))
    else:
        pairs = [(value, claim.best) for value in values if value != claim.best]
    for figure in claim.figures:
        for lower, upper in pairs:
            yield _step(sheet, claim, figure, option, (lower, upper))


def _axis(sheet: GridSheet, claim: Claim) -> tuple[str, list[Value]]:
    """The option along which the claim orders points, and its values."""
    for panel in sheet.file.panels:
        if panel.name == claim.panel:
            axis = next(axis for axis in panel.axes if axis.option not in claim.at)
            return axis.option, [*axis.values]
    return ROWS, [value for point in sheet.points for _, value in point.at]


def _step(
    sheet: GridSheet, claim: Claim, figure: str, option: str, values: tuple[Value, Value]
) -> Step:
    symbol = {axis.option: axis.symbol for panel in sheet.file.panels for axis in panel.axes}
    names = [str(value) if option == ROWS else f"{symbol[option]} = {value}" for value in values]
    points = [_point(sheet, claim, option, value) for value in values]
    gaps = [
        f"{name}: {sheet.gaps[point] if point else 'not in this run'}"
        for name, point in zip(names, points, strict=True)
        if point is None or point in sheet.gaps
    ]
    if gaps:
        return Step(figure, names[0], names[1], gap="; ".join(gaps))
    lower, upper = stack([sheet.outcomes[point] for point in points if point], figure)
    d = differences(upper, lower)
    low, high = bootstrap(d)
    training, column = sheet.training, FIGURES.index(figure)
    added = np.zeros(2)
    if training.df:
        added = np.array([training.of_mean(sheet.runs[p])[column] for p in points if p])
        low, high = training.widened(d.mean(), low, high, added.sum())
    p = float(all_pairs(np.stack([lower, upper]), added, training.df)[0, 1])
    means = (float(lower.mean()), float(upper.mean()))
    return Step(figure, names[0], names[1], "", means, float(d.mean()),
                (float(low), float(high)), p)  # fmt: skip


def _point(sheet: GridSheet, claim: Claim, option: str, value: Value) -> Point | None:
    wanted = {**claim.at, option: value}
    for point in sheet.points:
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

"""`python -m benchmarks.resolution`: what a core-hour can tell apart, into results.md.

python -m benchmarks.resolution             the records under results/
python -m benchmarks.resolution FOLDER      others; the tables are printed only
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.resolution.measure import FIGURES, Resolution, resolutions
from tokbench.report.board import heading
from tokbench.report.outcomes import BITS
from tokbench.report.result_set import ResultSet
from tokbench.report.tables import Column, Table, markdown

ROOT = Path(__file__).parents[2]
HEAD = """# What can a core-hour tell apart?

Written by `python -m benchmarks.resolution` from the records under results/. Two semantic rows
under one generator, with equal budgets: the true difference of their means that the paired test at
5 % finds four times in five, in the figure's own unit and as a share of the rows' mean. A run costs
the seconds of its own stages (tokenize to generate) as they were measured, on machines that were
often busy: an idle one runs more in an hour. What runs vary is taken from rows that were run more
than once, with degrees of freedom as if every row of the kind had so many runs; where few runs
stand behind it (two, of one row of rq-transformer) the figures are rough. Bits have no natural
zero, so across figures the last column of the first table compares: the smallest difference as a
share of the distance from the rows' mean to random codes.
"""
LEVERS = """Each line changes one thing. "before": the statistics that were replaced, which added
s^2 of all trained rows to the users' variance. In brackets: a share of the rows' mean, and where
the figure changes of the distance to random codes ("of the gap"). Averaged weights and several
evaluations of one training have no records here; what more users would give says `tokbench power`.
"""


def main() -> None:
    """Measure, print, and write where the records are the committed ones."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", nargs="?", type=Path, default=ROOT / "results")
    folder = parser.parse_args().results
    text = page(ResultSet.read(folder))
    print(text)
    if folder == ROOT / "results":
        (Path(__file__).parent / "results.md").write_text(text)


def page(results: ResultSet) -> str:
    """The whole text."""
    found = [*resolutions(results.boards)]
    tables = markdown(
        [by_kind(found), Table("Lever by lever", LEVER_COLUMNS, tuple(levers(found)))]
    )
    return f"{HEAD}\n{tables}\n{LEVERS}"


def by_kind(found: Sequence[Resolution]) -> Table:
    """A line per dataset, generator, policy and figure."""
    columns = (
        Column("dataset"), Column("generator"), Column("policy"), Column("rows", "count"),
        Column("users", "count"), Column("figure"), Column("mean", "figure"),
        Column("core-minutes a run", "figure"), Column("runs in an hour", "count"),
        Column("3 runs"), Column("a core-hour"), Column("ten core-hours"),
        Column("runs without end"),
        Column("a core-hour, share of the gap to random codes"),
    )  # fmt: skip
    lines = []
    for one in found:
        hour = one.seen(one.runs_in(1)) if one.runs_in(1) else math.inf
        gap = "" if not one.gap or math.isinf(hour) else f"{100 * hour / one.gap:.0f} %"
        ten = one.seen(one.runs_in(10)) if one.runs_in(10) else math.inf
        lines.append((
            one.kind.board.title.dataset, one.kind.generator, one.kind.policy, len(one.kind.rows),
            one.users, name(one.figure), one.mean, round(60 * one.kind.hours, 1), one.runs_in(1),
            written(one.seen(3), one), written(hour, one), written(ten, one),
            written(one.floor, one), gap,
        ))  # fmt: skip
    return Table("By dataset, generator and figure", columns, tuple(lines))


LEVER_COLUMNS = tuple(map(Column, ("dataset", "lever", "from", "to", "detectable before", "after")))


def levers(found: Sequence[Resolution]) -> Iterator[tuple[str, ...]]:
    """From one way to another, all else equal."""
    for one in found:
        if one.figure != FIGURES[0]:
            continue
        title, generator = one.kind.board.title.dataset, one.kind.generator
        yield (title, f"statistics ({generator}, {one.kind.policy}, 3 runs)", "before", "now",
               written(one.before(3), one), written(one.seen(3), one))  # fmt: skip
        runs = one.runs_in(1)
        if runs > 3:
            yield (title, f"runs ({generator}, {one.kind.policy})", "3", f"{runs}, a core-hour",
                   written(one.seen(3), one), written(one.seen(runs), one))  # fmt: skip
        for other in found:
            same = other.kind.board is one.kind.board and other.kind.policy == one.kind.policy
            if same and other.kind.generator == generator and other.figure != one.figure:
                yield (title, f"figure ({generator}, {one.kind.policy}, 3 runs)", name(one.figure),
                       name(other.figure), of_gap(one.seen(3), one),
                       of_gap(other.seen(3), other))  # fmt: skip
            slower = other.kind.hours < one.kind.hours and one.runs_in(1)
            if same and other.figure == one.figure and other.kind is not one.kind and slower:
                yield (title, "generator (a core-hour)", generator, other.kind.generator,
                       written(one.seen(one.runs_in(1)), one),
                       written(other.seen(other.runs_in(1)), other))  # fmt: skip


def name(figure: str) -> str:
    """As boards head it."""
    return "bits" if figure == BITS else heading(figure)


def written(difference: float, one: Resolution) -> str:
    """`0.0081 (10.7 %)`; nothing where nothing is claimed."""
    if math.isinf(difference):
        return "no claim"
    return f"{difference:.4f} ({100 * difference / abs(one.mean):.1f} %)"


def of_gap(difference: float, one: Resolution) -> str:
    """`0.0081 (15 % of the gap)`; as `written` where random codes were not run."""
    if not one.gap or math.isinf(difference):
        return written(difference, one)
    return f"{difference:.4f} ({100 * difference / one.gap:.0f} % of the gap)"


if __name__ == "__main__":
    main()

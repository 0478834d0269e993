"""`python -m benchmarks.calibration`: error rates and power of the statistics, into results.md.

    python -m benchmarks.calibration               1,000 boards a line, a quarter of them for power
    python -m benchmarks.calibration --boards 50   fewer: rates are rougher

Boards of which the truth is known (boards.py), judged by tokbench.stats, by what it replaced, and
by ways that were not taken (methods.py).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.calibration.boards import OFFICE, SCENARIOS, UNLIKE, Rows, Scenario
from benchmarks.calibration.measure import Rates, rates
from benchmarks.calibration.methods import Method, before, no_pool, now, now_holm, one_pool

LIFTS = (0.03, 0.05, 0.10)
POOLS = tuple(one for one in SCENARIOS if one.name.startswith(("6 rows", "4 rows", "like")))
HEAD = """# Are the error rates right?

Written by `python -m benchmarks.calibration`, {boards} simulated boards a line (a quarter of that
for power): with 400 boards a family-wise rate of .05 is read within .02. Users have lasting
inclinations that rows share, a run has an effect of its own, hits are flips of a coin: of an
outcome's variance .57 lasts, as on office-5core (boards.py). Unless a line says otherwise: 10
semantic rows of three seeds, 3,000 users, rate .075, a run effect with a standard deviation of
.002. All rows are equal. "Before": s^2 added to the users' variance, pooled over all trained rows,
Holm. "Now": tokbench.stats. A range is over kinds of rows and of pairs. Targets: coverage .93-.97,
pairs .03-.07, family-wise at most .07.
"""


def power() -> list[Scenario]:
    """Ten rows of which five are better."""
    shapes = ((3000, 3), (5000, 3), (20000, 3), (5000, 5))
    return [
        Scenario(f"{users:,} users, {seeds} seeds, {100 * lift:.0f} %",
                 (Rows(5, seeds), Rows(5, seeds, lift=lift)), users)
        for users, seeds in shapes for lift in LIFTS
    ]  # fmt: skip


def office(lift: float) -> Scenario:
    """Office-5core's kinds of rows; the two of three seeds and the single ones: half are better."""
    better = [replace(OFFICE[0], count=2, lift=lift), replace(OFFICE[1], count=4, lift=lift)]
    rows = (*better, replace(OFFICE[0], count=2), replace(OFFICE[1], count=5), *OFFICE[2:])
    return Scenario(f"like office-5core, {100 * lift:.0f} %", rows, 4905)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--boards", type=int, default=1000, help="simulated boards a line")
    boards = parser.parse_args().boards
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        lines = [HEAD.format(boards=f"{boards:,}")]
        for line in _tables(pool, boards):
            print(line, flush=True)
            lines.append(line)
    (Path(__file__).parent / "results.md").write_text("\n".join(lines) + "\n")


def _tables(pool: ProcessPoolExecutor, boards: int) -> Iterator[str]:
    def measured(
        scenarios: Sequence[Scenario], methods: Sequence[Method], boards: int = boards
    ) -> Iterator[tuple[Scenario, list[Rates]]]:
        n = len(scenarios)
        found = pool.map(rates, scenarios, [methods] * n, [boards] * n)
        return zip(scenarios, found, strict=True)

    yield from _head("Equal rows", "board", "coverage", "pairs", "family-wise", "family-wise, Holm",
                     "before: coverage", "pairs", "family-wise")  # fmt: skip
    for scenario, (new, plain, old) in measured(SCENARIOS, (now, now_holm, before)):
        cells = [_range(new.coverage), _range(new.pairs), _rate(new.family), _rate(plain.family)]
        yield _line(scenario.name, *cells, *_errors(old))
    yield from _head("Where a family is not alike", "board", "coverage", "pairs", "family-wise")
    for scenario, (new,) in measured(UNLIKE, (now,)):
        yield _line(scenario.name, *_errors(new))
    yield from _head("Other ways to pool: one variance for all rows, one for each row", "board",
                     "all: coverage", "pairs", "family-wise", "each: coverage", "pairs",
                     "family-wise")  # fmt: skip
    for scenario, (one, each) in measured(POOLS, (one_pool, no_pool)):
        yield _line(scenario.name, *_errors(one), *_errors(each))
    yield from _head("Power: half of ten rows are better; share of those pairs found", "board",
                     "pair alone", "on the board", "with Holm", "before: pair alone",
                     "on the board")  # fmt: skip
    better = [*power(), *(office(lift) for lift in LIFTS)]
    for scenario, (new, plain, old) in measured(better, (now, now_holm, before), boards // 4):
        found = (new.found, new.told, plain.told, old.found, old.told)
        yield _line(scenario.name, *map(_rate, found))


def _errors(one: Rates) -> tuple[str, str, str]:
    return _range(one.coverage), _range(one.pairs), _rate(one.family)


def _head(title: str, *cells: str) -> Iterator[str]:
    yield f"\n## {title}\n"
    yield _line(*cells)
    yield _line(*["---"] * len(cells))


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _range(found: dict[str, float]) -> str:
    known = [value for value in found.values() if not np.isnan(value)]
    if not known:
        return "no claim"
    ends = sorted({_rate(min(known)), _rate(max(known))})
    return "-".join(ends)


def _rate(value: float) -> str:
    return "no claim" if np.isnan(value) else f"{value:.3f}".removeprefix("0")


if __name__ == "__main__":
    main()

"""Measures of tokenizers beside the Recall they led to, and whether any predicts it.

Rows of a board with one policy and one generator are compared: what differs is the tokenizer. A
tokenizer is one point, seeds averaged, since the seeds of one are no independent witnesses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tokbench.report.outcomes import HEADLINE
from tokbench.report.result_set import Board, ResultSet
from tokbench.report.rows import Method
from tokbench.report.stability import stability
from tokbench.report.tables import Column, Entry, Table
from tokbench.schema.record import Record
from tokbench.stats.correlation import Correlations, correlations

PREFIX = "intrinsic/"
NOTE = (
    "Measures of the codes before the collision policy, means over seeds (docs/intrinsic.md "
    "defines them). rho: Spearman, tau: Kendall, over the tokenizers; p: permutation test of rho; "
    "corrected: for all measures looked at."
)
TESTED = tuple(Column(head, "figure") for head in ("rho", "tau", "p", "corrected"))


def tables(results: ResultSet) -> list[Table]:
    """A table per board, policy and generator that has measured records."""
    return [table for board in results.boards for table in of_board(board)]


def of_board(board: Board) -> list[Table]:
    """As `tables`, of one board."""
    done = {row.method: kept for row in board.rows
            if (kept := [record for record in row.runs if _measures(record)])}  # fmt: skip
    made = []
    for policy, generator in sorted({method[1:] for method in done}):
        some = {m: done[m] for m in done if m[1:] == (policy, generator)}
        made.append(_table(f"{board.title} · policy {policy} · generator {generator}", some))
    return made


def _table(title: str, done: dict[Method, list[Record]]) -> Table:
    """Rows are measures, columns tokenizers by falling Recall@10."""
    recall = {method: _mean(group, HEADLINE) for method, group in done.items()}
    methods = sorted(done, key=lambda method: -recall[method])
    measures = {method: measured(done[method]) for method in methods}
    names = list(dict.fromkeys(name for method in methods for name in measures[method]))
    tested = correlations(
        {name: [measures[method][name] for method in methods]
         for name in names
         if not is_control(name) and all(name in measures[method] for method in methods)},
        [recall[method] for method in methods],
    )  # fmt: skip
    rows: list[tuple[Entry, ...]] = [
        (HEADLINE, *(recall[method] for method in methods), None, None, None, None)
    ]
    for name in names:
        values: list[Entry] = [measures[method].get(name) for method in methods]
        rows.append((name, *values, *_tests(tested, name)))
    heads = (Column("measure"), *(Column(method[0], "figure") for method in methods), *TESTED)
    return Table(title, heads, tuple(rows), f"{tested} {NOTE}")


def is_control(name: str) -> bool:
    """A value of chance, to read a measure against: it predicts nothing of its own."""
    return name.endswith("/shuffled") or name.startswith(("random/", "knn/random"))


def measured(records: Sequence[Record]) -> dict[str, float]:
    """Each measure's mean over the records of one method, and stability over their seeds."""
    outcomes = [record.outcome for record in records if record.outcome is not None]
    names = [
        name
        for name in outcomes[0].figures
        if name.startswith(("raw/", PREFIX)) and all(name in o.figures for o in outcomes)
    ]
    figures = {
        name.removeprefix(PREFIX): float(np.mean([o.figures[name].value for o in outcomes]))
        for name in names
    }
    return figures | stability(records)


def _measures(record: Record) -> bool:
    outcome = record.outcome
    return outcome is not None and any(name.startswith(PREFIX) for name in outcome.figures)


def _mean(records: Sequence[Record], figure: str) -> float:
    return float(np.mean([r.outcome.figures[figure].value for r in records if r.outcome]))


def _tests(tested: Correlations, name: str) -> tuple[Entry, ...]:
    one = tested.found.get(name)
    if one is None:
        return (None, None, None, None)
    return (one.spearman, one.kendall, one.p, one.corrected)

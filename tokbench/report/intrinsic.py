"""Measures of tokenizers beside the Recall they led to, and whether any predicts it.

Rows of a board with one policy and one generator are compared: what differs is the tokenizer. A
tokenizer is one point, seeds averaged, since the seeds of one are no independent witnesses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tokbench.report.board import HEADLINE, Method, finished, tables, title_of
from tokbench.report.sheet import Cell, Sheet
from tokbench.report.stability import stability
from tokbench.schema.record import Record
from tokbench.stats.correlation import Correlations, correlations

PREFIX = "intrinsic/"
WORDS = (
    "Measures of the codes before the collision policy, means over seeds (docs/intrinsic.md "
    "defines them). rho: Spearman, tau: Kendall, over the tokenizers; p: permutation test of rho; "
    "corrected: for all measures looked at."
)


def intrinsic_sheets(records: Sequence[Record]) -> list[Sheet]:
    """A sheet per board, policy and generator that has measured records."""
    sheets = []
    for table in tables(records):
        done = {method: kept for method, group in finished(table).items()
                if (kept := [record for record in group if _measures(record)])}  # fmt: skip
        for policy, generator in sorted({method[1:] for method in done}):
            some = {m: done[m] for m in done if m[1:] == (policy, generator)}
            title = f"{title_of(table)} · policy {policy} · generator {generator}"
            sheets.append(sheet_of(title, some))
    return sheets


def sheet_of(title: str, done: dict[Method, list[Record]]) -> Sheet:
    """Rows are measures, columns tokenizers by falling Recall@10."""
    recall = {method: _mean(group, HEADLINE) for method, group in done.items()}
    methods = sorted(done, key=lambda method: -recall[method])
    table = {method: measured(done[method]) for method in methods}
    names = list(dict.fromkeys(name for method in methods for name in table[method]))
    tested = correlations(
        {name: [table[method][name] for method in methods]
         for name in names
         if not is_control(name) and all(name in table[method] for method in methods)},
        [recall[method] for method in methods],
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (HEADLINE, *(recall[method] for method in methods), None, None, None, None)
    ]
    for name in names:
        values: list[Cell] = [table[method].get(name) for method in methods]
        rows.append((name, *values, *_correlation_cells(tested, name)))
    heads = ("measure", *(method[0] for method in methods), "rho", "tau", "p", "corrected")
    return Sheet(title, heads, tuple(rows), f"{tested} {WORDS}")


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


def _correlation_cells(tested: Correlations, name: str) -> tuple[Cell, ...]:
    one = tested.found.get(name)
    if one is None:
        return (None, None, None, None)
    return (one.spearman, one.kendall, one.p, one.corrected)

"""Two rows of a board, user by user: how far apart, how surely, and in how many hits."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tokbench.errors import RecordError, listed
from tokbench.report.board import (
    FIGURES,
    HEADLINE,
    Method,
    finished,
    tables,
    title_of,
    training_of,
    user_mean,
)
from tokbench.schema.record import Record
from tokbench.schema.run_spec import RunSpec, is_baseline
from tokbench.stats.bootstrap import bootstrap
from tokbench.stats.paired import differences, sign_flip
from tokbench.stats.run_variance import Training, Values, t_test

LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """A against B on the same users, seeds averaged per user; differences are A - B."""

    board: str
    figure: str
    a: str
    b: str
    users: int
    seeds: tuple[int, int]
    means: tuple[float, float]
    difference: float
    interval: tuple[float, float]  # 95 %
    p: float  # two-sided
    run_sd: float | None  # from one training run to the next; None: no row was run twice
    hits: tuple[float, float]  # users whose target is within the cutoff, expected
    better: tuple[int, int]  # users who do better with A, with B

    def __str__(self) -> str:
        """One plain sentence, and the verdict."""
        metric, _, k = self.figure.partition("@")
        figure = f"{'NDCG' if metric == 'ndcg' else 'Recall'}@{k}"
        low, high = self.interval
        told = "can" if self.told_apart else "cannot"
        return (
            f"{self.board}: {self.a} has {figure} {self.means[0]:.4f} and {self.b} "
            f"{self.means[1]:.4f} over {self.users} users, a difference of {self.difference:+.4f} "
            f"[{low:+.4f}, {high:+.4f}] with p = {self.p:.4f} ({self.covers}), "
            f"{self.hits[0]:.1f} against {self.hits[1]:.1f} hits at {k}, "
            f"{self.better[0]} users better with the first and {self.better[1]} with the second "
            f"(seeds averaged: {self.seeds[0]} and {self.seeds[1]}); they {told} be told apart "
            f"at the {100 * LEVEL:.0f} % level."
        )

    @property
    def told_apart(self) -> bool:
        """At LEVEL, by p and by the interval too: at the edge they may disagree."""
        low, high = self.interval
        return self.p < LEVEL and low * high > 0

    @property
    def covers(self) -> str:
        """What interval and p take into account."""
        if self.run_sd is None:
            return (
                "95 % paired bootstrap and sign-flip test over users; no row of this board was run "
                "twice, so training runs are not covered"
            )
        return (
            "95 % over users and training runs, one of which moves a row by a standard deviation "
            f"of {self.run_sd:.4f}"
        )


def compare(
    records: Sequence[Record],
    a: str,
    b: str,
    *,
    dataset: str,
    board: str = "",
    figure: str = HEADLINE,
) -> Comparison:
    """Compare rows `a` and `b` of a board of `dataset`.

    A row is named by its tokenizer, or by tokenizer/policy/generator where that says too little; a
    baseline by its generator.
    `board` is a part of a board's title, needed where several boards have both rows. Raises
    RecordError for a dataset, board or row that is not there, or for a name that fits several.
    """
    boards = _boards_of(records, dataset, board)
    known = {name for table in boards for name in map(row_name, finished(table))}
    for name in (a, b):
        if not any(matches(name, finished(table)) for table in boards):
            raise RecordError(_unknown(name, sorted(known), dataset))
    shared = [t for t in boards if matches(a, finished(t)) and matches(b, finished(t))]
    if not shared:
        titles = "; ".join(str(title_of(table)) for table in boards)
        raise RecordError(f"no board has both {a!r} and {b!r}, and boards never mix: {titles}")
    if len(shared) > 1:
        titles = "; ".join(str(title_of(table)) for table in shared)
        raise RecordError(f"{len(shared)} boards have both rows; name one with --board: {titles}")
    done = finished(shared[0])
    pair = _only(a, done), _only(b, done)
    if pair[0] == pair[1]:
        raise RecordError(f"{a!r} and {b!r} name the same row, {row_name(pair[0])}")
    return compare_rows(shared[0], *pair, figure=figure)


def compare_rows(
    table: Sequence[Record], a: Method, b: Method, *, figure: str = HEADLINE
) -> Comparison:
    """Compare two rows of a board, the records `table`. Raises RecordError where their users are
    not the same."""
    done, pair = finished(table), (a, b)
    users = [user_mean(done[method]) for method in pair]  # [Q, figures] each
    if users[0].shape != users[1].shape:
        raise RecordError(
            f"{row_name(a)!r} and {row_name(b)!r} were not tested on the same users; see "
            "`tokbench verify`"
        )
    column = FIGURES.index(figure)
    d = differences(users[0][:, column], users[1][:, column])
    training = training_of(done)
    low, high, p = judged(d, [specs_of(done[method]) for method in pair], training, column)
    hits = FIGURES.index(f"recall@{figure.partition('@')[2]}")
    return Comparison(
        board=str(title_of(table)),
        figure=figure,
        a=row_name(a),
        b=row_name(b),
        users=len(d),
        seeds=(len(done[a]), len(done[b])),
        means=(float(users[0][:, column].mean()), float(users[1][:, column].mean())),
        difference=float(d.mean()),
        interval=(low, high),
        p=p,
        run_sd=float(np.sqrt(training.variance[column])) if training.df else None,
        hits=(float(users[0][:, hits].sum()), float(users[1][:, hits].sum())),
        better=(int(np.sum(d > 0)), int(np.sum(d < 0))),
    )


def judged(
    d: Values, rows: Sequence[Sequence[RunSpec]], training: Training, column: int
) -> tuple[float, float, float]:
    """(low, high, p) of the mean of the users' differences d [Q] between two rows.

    Bootstrap and sign flips over users alone where training varies nothing, or nobody knows.
    """
    low, high = bootstrap(d)
    added = sum(training.of_mean(specs)[column] for specs in rows) if training.df else 0.0
    if added == 0.0:
        return float(low), float(high), sign_flip(d)
    runs, mean = np.asarray(added), d.mean()
    low, high = training.widened(mean, low, high, runs)
    p = t_test(mean, np.asarray((d**2).sum() / len(d) ** 2), runs, training.df)
    return float(low), float(high), float(p)


def specs_of(records: Sequence[Record]) -> list[RunSpec]:
    """What was run."""
    return [record.spec for record in records]


def row_name(method: Method) -> str:
    """tokenizer/policy/generator."""
    return "/".join(method)


def _boards_of(records: Sequence[Record], dataset: str, board: str) -> list[list[Record]]:
    here = [r for r in records if dataset in (r.spec.dataset.name, r.spec.dataset.label)]
    if not here:
        known = listed(sorted({record.spec.dataset.label for record in records}))
        raise RecordError(f"no records of dataset {dataset!r}; there are records of: {known}")
    found = [table for table in tables(here) if board in str(title_of(table))]
    if not found:
        titles = "; ".join(str(title_of(table)) for table in tables(here))
        raise RecordError(f"no board's title holds {board!r}: {titles}")
    return found


def matches(name: str, done: dict[Method, list[Record]]) -> list[Method]:
    """The rows that a user may call `name`."""
    return [method for method in done if name in _names(method)]


def _names(method: Method) -> set[str]:
    """Tokenizer and whole name; a baseline goes by its generator's name too."""
    tokenizer, _, generator = method
    found = {tokenizer, row_name(method)}
    return found | {generator} if is_baseline(tokenizer, generator) else found


def _only(name: str, done: dict[Method, list[Record]]) -> Method:
    found = matches(name, done)
    if len(found) > 1:
        choices = listed(sorted(map(row_name, found)))
        raise RecordError(f"{name!r} names {len(found)} rows; say which: {choices}")
    return found[0]


def _unknown(name: str, known: Sequence[str], dataset: str) -> str:
    names = sorted({*known, *(row.partition("/")[0] for row in known)})
    near = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {listed(known)}"
    return f"no row of {dataset} is called {name!r}; {hint}"

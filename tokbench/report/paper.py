"""Ours beside what papers print, where it is the same data and protocol.

The figures are data (published.toml beside this file, so that they are installed with it), each
with its source and lineage: one method's figures differ by 10 to 50 % between papers on the same
data, so what differs is said beside every pair.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tokbench.report.result_set import Board, ResultSet
from tokbench.report.rows import Row
from tokbench.report.tables import Column, Entry, Table

Metric = Literal["ndcg", "recall"]
HEADLINE = "recall@10"  # what is printed of a method that has no row here


class PublishedRow(BaseModel):
    """One method of a printed table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str  # as printed
    ours: str = ""  # TOKENIZER/GENERATOR, * for presets and options; empty: not here
    recall: dict[int, float] = {}  # cutoff -> figure
    ndcg: dict[int, float] = {}

    def figures(self) -> Iterator[tuple[str, float]]:
        """(`recall@5`, its value), ... by metric and cutoff."""
        for metric, by_cutoff in (("ndcg", self.ndcg), ("recall", self.recall)):
            for k, value in by_cutoff.items():
                yield f"{metric}@{k}", value

    def is_method(self, row: Row) -> bool:
        """Is that row of ours the same tokenizer under the same generator?"""
        tokenizer, _, generator = self.ours.partition("/")
        names = row.tokenizer.split(" ")[0], row.generator.split(" ")[0]
        return fnmatchcase(names[0], tokenizer) and fnmatchcase(names[1], generator)


class Published(BaseModel):
    """One printed table of one dataset, and its lineage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    cut: str  # of the data
    datasets: tuple[str, ...]  # names under which a board may have it
    users: int  # as printed; another count means other data
    items: int
    protocol: str
    encoder: str = ""  # empty, as `codes`: the source does not say
    codes: str = ""
    read_in: Literal["primary", "secondary"]
    note: str = ""
    rows: tuple[PublishedRow, ...]

    def lineage(self) -> str:
        """What a reader must know to compare."""
        parts = [
            self.cut, f"{self.users} users, {self.items} items", self.protocol,
            f"encoder {self.encoder or 'not stated'}", f"codes {self.codes or 'not stated'}",
            *(["quoted by others"] if self.read_in == "secondary" else []),
            *([self.note] if self.note else []),
        ]  # fmt: skip
        return "theirs: " + "; ".join(parts)

    def figure(self, tokenizer: str, generator: str, metric: Metric, k: int) -> float | None:
        """What it prints of our tokenizer under our generator."""
        for row in self.rows:
            if row.ours == f"{tokenizer}/{generator}":
                return (row.ndcg if metric == "ndcg" else row.recall).get(k)
        return None


COLUMNS = (
    Column("method"), Column("figure"), Column("theirs", "figure"), Column("ours", "figure"),
    Column("95 %", "interval"), Column("difference", "difference"), Column("our row"),
)  # fmt: skip


@cache
def published() -> tuple[Published, ...]:
    """Every table of published.toml."""
    text = files("tokbench.report").joinpath("published.toml").read_text(encoding="utf-8")
    return tuple(Published.model_validate(table) for table in tomllib.loads(text)["table"])


def tables(results: ResultSet) -> list[Table]:
    """A table per board and source: every figure that is printed of the board's data."""
    return [
        Table(f"{board.title}, against {table.source}", COLUMNS, tuple(rows), note(board, table))
        for board in results.boards
        for table in published()
        if fits(board, table) and (rows := list(_side_by_side(board, table)))
    ]


def note(board: Board, table: Published) -> str:
    """Their lineage, and what keeps the two from being the same experiment."""
    parts = [table.lineage()]
    users = max((row.users for row in board.rows), default=table.users)
    if users != table.users:
        parts.append(f"ours: {users} users, theirs {table.users}: other data")
    if board.title.profile != "paper":
        parts.append(f"ours: profile {board.title.profile}, not the paper's sizes")
    if board.title.encoder not in table.encoder:
        parts.append(f"ours: encoder {board.title.encoder}")
    return ". ".join(parts) + "."


def fits(board: Board, table: Published) -> bool:
    """Is it the same protocol on the same data: one of its names, or exactly its counts?"""
    counts = {(row.users, _items(row)) for row in board.rows}
    return board.title.protocol == table.protocol and (
        board.title.dataset in table.datasets or counts == {(table.users, table.items)}
    )


def _items(row: Row) -> int | None:
    outcome = row.runs[0].outcome if row.runs else None
    return None if outcome is None else outcome.items


def _side_by_side(board: Board, table: Published) -> Iterator[tuple[Entry, ...]]:
    for printed in table.rows:
        ours = [row for row in board.rows if printed.ours and printed.is_method(row)]
        for row in ours:
            for figure, theirs in printed.figures():
                mean = row.values[figure]
                yield (printed.method, figure, theirs, mean, row.intervals[figure], mean - theirs,
                       row.name)  # fmt: skip
        if not ours:
            theirs = dict(printed.figures())[HEADLINE]
            why = f"none: no row of {printed.ours}" if printed.ours else "none: not in tokbench"
            yield printed.method, HEADLINE, theirs, None, None, None, why

"""Ours beside what papers print: only for the same dataset, protocol, tokenizer and generator.

The figures are data (published.toml beside this file, so that they are installed with it), each
with its source.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tokbench.report.result_set import Board, ResultSet
from tokbench.report.rows import Row
from tokbench.report.tables import Column, Entry, Table

Metric = Literal["ndcg", "recall"]


class Published(BaseModel):
    """One printed table of one dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    datasets: tuple[str, ...]  # names under which a board may have it
    protocol: str
    generator: str
    users: int  # as printed; another count means other data
    note: str
    rows: dict[str, dict[Metric, dict[int, float]]]  # tokenizer -> metric -> cutoff -> figure


COLUMNS = (
    Column("tokenizer"), Column("policy"), Column("figure"), Column("ours", "figure"),
    Column("95 %", "interval"), Column("theirs", "figure"), Column("difference", "difference"),
    Column("remark"),
)  # fmt: skip


@cache
def published() -> tuple[Published, ...]:
    """Every table of published.toml."""
    text = files("tokbench.report").joinpath("published.toml").read_text(encoding="utf-8")
    return tuple(Published.model_validate(table) for table in tomllib.loads(text)["table"])


def tables(results: ResultSet) -> list[Table]:
    """A table per board and source: every figure of the boards that a paper prints too."""
    return [
        Table(f"{board.title}, against {table.source}", COLUMNS, tuple(rows))
        for board in results.boards
        for table in published()
        if (rows := list(_side_by_side(board, table)))
    ]


def _side_by_side(board: Board, table: Published) -> Iterator[tuple[Entry, ...]]:
    if board.title.dataset not in table.datasets or board.title.protocol != table.protocol:
        return
    for row in board.rows:
        if row.generator != table.generator:
            continue
        for metric, by_cutoff in table.rows.get(row.tokenizer, {}).items():
            for k, theirs in by_cutoff.items():
                figure = f"{metric}@{k}"
                ours = row.values[figure]
                yield (row.tokenizer, row.policy, figure, ours, row.intervals[figure], theirs,
                       ours - theirs, _remark(board, row, table))  # fmt: skip


def _remark(board: Board, row: Row, table: Published) -> str:
    """What keeps the two from being the same experiment."""
    remarks = [table.note] if table.note else []
    if board.title.profile != "paper":
        remarks.append(f"profile {board.title.profile}, not the paper's sizes")
    if row.users != table.users:
        remarks.append(f"{row.users} users, theirs {table.users}")
    return "; ".join(remarks)

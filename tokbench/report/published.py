"""Ours beside what papers print: only for the same dataset, protocol, tokenizer and generator.

The figures are data (published.toml beside this file, so that they are installed with it), each
with its source.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tokbench.report.board import Board, Row
from tokbench.report.render import markdown_table

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


@dataclass(frozen=True)
class Against:
    """One figure of ours, with its 95 % interval over users, and theirs."""

    board: str
    source: str
    tokenizer: str
    policy: str
    figure: str
    ours: float
    low: float
    high: float
    theirs: float
    difference: float
    remark: str

    def cells(self) -> list[str]:
        """As printed, without board and source."""
        return [
            self.tokenizer, self.policy, self.figure, f"{self.ours:.4f}",
            f"[{self.low:.4f}, {self.high:.4f}]", f"{self.theirs:.4f}",
            f"{self.difference:+.4f}", self.remark,
        ]  # fmt: skip


HEADS = ("tokenizer", "policy", "figure", "ours", "95 %", "theirs", "difference", "remark")


@cache
def published() -> tuple[Published, ...]:
    """Every table of published.toml."""
    text = files("tokbench.report").joinpath("published.toml").read_text(encoding="utf-8")
    return tuple(Published.model_validate(table) for table in tomllib.loads(text)["table"])


def against(boards: Sequence[Board]) -> list[Against]:
    """Every figure of the boards that a paper prints too."""
    return [
        found
        for board in boards
        for table in published()
        if board.title.dataset in table.datasets and board.title.protocol == table.protocol
        for row in board.rows
        if row.generator == table.generator
        for found in _side_by_side(board, row, table)
    ]


def _side_by_side(board: Board, row: Row, table: Published) -> Iterator[Against]:
    for metric, by_cutoff in table.rows.get(row.tokenizer, {}).items():
        for k, theirs in by_cutoff.items():
            figure = f"{metric}@{k}"
            ours = row.values[figure]
            low, high = row.intervals[figure]
            yield Against(str(board.title), table.source, row.tokenizer, row.policy, figure, ours,
                          low, high, theirs, ours - theirs, _remark(board, row, table))  # fmt: skip


def _remark(board: Board, row: Row, table: Published) -> str:
    """What keeps the two from being the same experiment."""
    remarks = [table.note] if table.note else []
    if board.title.profile != "paper":
        remarks.append(f"profile {board.title.profile}, not the paper's sizes")
    if row.users != table.users:
        remarks.append(f"{row.users} users, theirs {table.users}")
    return "; ".join(remarks)


def nothing_to_compare(boards: Sequence[Board]) -> str:
    """Why `against` found nothing."""
    ours = sorted({board.title.dataset for board in boards})
    theirs = sorted({name for table in published() for name in table.datasets})
    return (
        f"nothing to compare: these boards are of {', '.join(ours)}, the published figures are of "
        f"{', '.join(theirs)} (leave-one-out, tiger)"
    )


def grouped(found: Sequence[Against]) -> Iterator[tuple[str, list[Against]]]:
    """(heading, its figures): one group per board and source."""
    groups: dict[str, list[Against]] = {}
    for item in found:
        groups.setdefault(f"{item.board}, against {item.source}", []).append(item)
    yield from groups.items()


def as_markdown(found: Sequence[Against]) -> str:
    """A heading and a table per board and source."""
    parts = (
        f"### {heading}\n\n{markdown_table(HEADS, [item.cells() for item in items])}"
        for heading, items in grouped(found)
    )
    return "\n".join(parts)


def as_csv(found: Sequence[Against]) -> str:
    """A line per figure."""
    import pandas

    names = [field.name for field in fields(Against)]
    table = pandas.DataFrame([asdict(item) for item in found], columns=names)
    return str(table.to_csv(index=False, lineterminator="\n"))


def as_json(found: Sequence[Against]) -> str:
    """A list of figures."""
    return json.dumps([asdict(item) for item in found], indent=1) + "\n"

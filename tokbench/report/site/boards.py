"""A board as a page shows it: its rows with the runs behind them, and the cells that failed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tokbench.report.difference import Difference
from tokbench.report.outcomes import BITS, HEADLINE
from tokbench.report.result_set import Board, ResultSet
from tokbench.report.rows import Row

COLOURS = 8  # as many as site.css names


@dataclass(frozen=True)
class RowView:
    """A row, and what the table and the plots read off its runs."""

    row: Row
    family: str  # the tokenizer's name without preset and options
    colour: int  # of the family, 1 to COLOURS
    tokens: int  # codes per item, as generated

    @property
    def name(self) -> str:
        """Tokenizer, policy and generator in one line."""
        return " · ".join(self.row.method)

    @property
    def users_per_second(self) -> float | None:
        """Users per second of the generate stage; None where no time was measured."""
        seconds = self.row.seconds["generate"]
        return self.row.users / seconds if seconds > 0 else None


@dataclass(frozen=True)
class BoardView:
    """A board with an address of its own."""

    slug: str
    board: Board
    rows: tuple[RowView, ...]

    @property
    def top(self) -> float:
        """The right end of the interval bars: the highest bound of Recall@10."""
        return max((view.row.intervals[HEADLINE][1] for view in self.rows), default=0.0) or 1.0

    @property
    def pairs(self) -> list[list[Difference | None]]:
        """The row of the line minus that of the column, None on the diagonal; empty where there is
        nothing to pair."""
        places = range(len(self.rows))
        found = self.board.pairs
        return [[found.get((i, j)) for j in places] for i in places] if found else []

    @property
    def floor(self) -> RowView | None:
        """The best baseline."""
        return next((v for v in self.rows if v.row.is_baseline and not v.row.is_diagnostic), None)

    @property
    def name(self) -> str:
        """The dataset without its options."""
        return self.board.title.dataset.partition(" [")[0]

    @property
    def best(self) -> RowView | None:
        """The best row that is no baseline."""
        return next((v for v in self.rows if not v.row.is_baseline), None)

    @property
    def verdict(self) -> str:
        """The best codes against the best baseline, in words."""
        if self.best is None or self.floor is None:
            return "not run yet"
        remarks = self.best.row.remark.split(", ")
        if any(remark.startswith("below ") for remark in remarks):
            return "codes are below"
        if any(remark.startswith("no better than ") for remark in remarks):
            return "not significantly different"
        claimed = self.best.row.group and self.floor.row.group
        return "codes are above" if claimed else "cannot tell: one run, users only"

    @property
    def newest(self) -> str:
        """The day of its newest run, YYYY-MM-DD."""
        return max((record.provenance.created[:10] for record in self.board.records), default="")

    @property
    def has_bits(self) -> bool:
        """Has any row bits per item?"""
        return any(BITS in view.row.values for view in self.rows)

    @property
    def families(self) -> list[str]:
        """Tokenizers of the board, for the filter."""
        return sorted({view.family for view in self.rows})

    @property
    def policies(self) -> list[str]:
        """Collision policies of the board, for the filter."""
        return sorted({view.row.policy for view in self.rows})

    @property
    def users(self) -> int:
        """Users tested; 0 where every cell failed."""
        return self.rows[0].row.users if self.rows else 0


def board_views(results: ResultSet) -> list[BoardView]:
    """Every board of these results, in their order."""
    names = sorted({record.spec.tokenizer.name for record in results.records})
    colours = {name: n % COLOURS + 1 for n, name in enumerate(names)}  # the same on every board
    views: list[BoardView] = []
    for board in results.boards:
        views.append(_view(_slug(board, {view.slug for view in views}), board, colours))
    return views


def _view(slug: str, board: Board, colours: Mapping[str, int]) -> BoardView:
    rows = []
    for row in board.rows:
        family, outcome = row.runs[0].spec.tokenizer.name, row.runs[0].outcome
        assert outcome is not None
        rows.append(RowView(row, family, colours[family], len(outcome.level_sizes)))
    return BoardView(slug, board, tuple(rows))


def _slug(board: Board, taken: set[str]) -> str:
    """A file name that says which board, unique among `taken`."""
    title = board.title
    words = f"{title.dataset}-{title.profile}-{title.encoder}-{title.protocol}-{title.beam_width}"
    plain = re.sub("[^a-z0-9]+", "-", words.lower()).strip("-")[:80]
    numbered = (plain if n == 1 else f"{plain}-{n}" for n in range(1, len(taken) + 2))
    return next(name for name in numbered if name not in taken)

"""Do bits per item order rows as Recall@10 does, and what does constrained decoding add to them?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import fmean

from tokbench.report.outcomes import BITS, HEADLINE
from tokbench.report.result_set import Board, ResultSet
from tokbench.report.rows import Row
from tokbench.report.tables import Column, Entry, Table
from tokbench.stats.rank_agreement import rank_agreement

FEWEST = 3  # rows
VALID = "decoding/valid_mass"
COLUMNS = (
    Column("dataset"), Column("rows", "count"), Column("rank correlation", "figure"),
    Column("95 %", "interval"), Column("pairs", "count"), Column("R@10 alone", "count"),
    Column("bits alone", "count"), Column("both, alike", "count"),
    Column("both, opposed", "count"), Column("valid mass"), Column("bits it takes"),
)  # fmt: skip
NOTE = (
    "Rows with bits per item, on boards with three or more. rank correlation: Spearman's, of "
    "Recall@10 with bits (fewer are better); its interval is over users and runs of these rows, "
    "and says nothing of others. Of the pairs of rows: how many differ significantly in Recall@10 "
    "alone, in bits alone, in both alike, and in both opposed, each corrected for all pairs of the "
    "board. valid mass: share of the probability that the generator gives to tuples of items, "
    "lowest and highest row; constrained decoding takes the rest away, which is worth -log2 of it "
    "or more (bits it takes). Bits are before that: they hold what is lost to tuples of no item."
)


def tables(results: ResultSet) -> list[Table]:
    """One per setting, a line per dataset; pairs that are opposed stand in the note."""
    settings: dict[str, list[Board]] = {}
    for board in results.boards:
        if len(rows_with_bits(board)) >= FEWEST and board.methods.same_users:
            settings.setdefault(board.title.setting, []).append(board)
    return [
        Table(setting, COLUMNS, tuple(map(_line, boards)), " ".join([NOTE, *_opposed(boards)]))
        for setting, boards in settings.items()
    ]


def rows_with_bits(board: Board) -> list[Row]:
    """In the order of the board."""
    return [row for row in board.rows if BITS in row.values]


def verdicts(board: Board) -> Iterator[tuple[Row, Row, int, int]]:
    """(a, b, sign in Recall@10, sign in bits) of every pair of rows with bits: +1 where a is
    significantly better, -1 where b is, else 0."""
    recall, bits = (board.methods.pairs(figure) for figure in (HEADLINE, BITS))
    have = [n for n, row in enumerate(board.rows) if BITS in row.values]
    for i, j in combinations(have, 2):
        yield board.rows[i], board.rows[j], recall[i, j].sign, -bits[i, j].sign


def _line(board: Board) -> tuple[Entry, ...]:
    rows = rows_with_bits(board)
    recall, bits = ([board.sample(row, figure) for row in rows] for figure in (HEADLINE, BITS))
    rho, bounds = rank_agreement(recall, bits)
    low, high = sorted(0.0 - bound for bound in bounds)
    kinds = Counter(_kind(*signs) for _, _, *signs in verdicts(board))
    masses = [mass for row in rows if (mass := valid_mass(row)) is not None]
    return (
        board.title.dataset, len(rows), 0.0 - rho, (low, high), len(rows) * (len(rows) - 1) // 2,
        kinds["recall"], kinds["bits"], kinds["alike"], kinds["opposed"],
        _range(masses, ".3f"), _range([-math.log2(mass) for mass in masses], ".2f"),
    )  # fmt: skip


def valid_mass(row: Row) -> float | None:
    """Mean over the row's runs; None where they do not tell."""
    found = [run.outcome.figures[VALID].value for run in row.runs
             if run.outcome is not None and VALID in run.outcome.figures]  # fmt: skip
    return fmean(found) if found else None


def _kind(recall: int, bits: int) -> str:
    if recall and bits:
        return "alike" if recall == bits else "opposed"
    return "recall" if recall else "bits" if bits else "none"


def _range(values: Sequence[float], form: str) -> str:
    ends = dict.fromkeys(format(end(values), form) for end in (min, max) if values)
    return " to ".join(ends)


def _opposed(boards: Sequence[Board]) -> Iterator[str]:
    for board in boards:
        for a, b, recall, bits in verdicts(board):
            if recall * bits < 0:
                better, worse = (a, b) if recall > 0 else (b, a)
                yield (
                    f"{board.title.dataset}: {better.name} is above {worse.name} in Recall@10 "
                    f"({better.values[HEADLINE]:.4f}, {worse.values[HEADLINE]:.4f}) and needs more "
                    f"bits ({better.values[BITS]:.3f}, {worse.values[BITS]:.3f})."
                )

"""A board in the layout of CoST's Table 2, with marks for LaTeX.

Two lines a row, NDCG and Recall; the best of a column in bold, the second underlined, both by the
printed digits so that equal print has equal weight; below, how much `cost` improves on `rqvae`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tokbench.report.paper import Metric
from tokbench.report.result_set import Board
from tokbench.report.rows import Row
from tokbench.report.tables import Column, Entry, Latex, Table
from tokbench.scoring.metrics import CUTOFFS

METRICS: tuple[tuple[Metric, str], ...] = (("ndcg", "NDCG"), ("recall", "Recall"))
OURS, BASE = "cost", "rqvae"  # L_co and L_re: the paper's last row compares them
CUTOFF_COLUMNS = tuple(Column(f"@{k}", "figure") for k in CUTOFFS)


def paper_layout(board: Board) -> Table:
    """A group of lines for each row, and the improvements under each policy and generator."""
    columns = (Column("tokenizer"), Column("metric"), *CUTOFF_COLUMNS)
    return Table(str(board.title), columns, (*_figures(board), *_improvements(board)))


def _figures(board: Board) -> Iterator[tuple[Entry, ...]]:
    for row in board.rows:
        for metric, word in METRICS:
            cells = [_marked(board, f"{metric}@{k}", row) for k in CUTOFFS]
            name = row.tokenizer + _setting(board, row) if metric == "ndcg" else ""
            yield (name, word, *cells)


def _marked(board: Board, figure: str, row: Row) -> Entry:
    """The figure, bold if it is the column's best, underlined if second."""
    printed = sorted({f"{other.values[figure]:.4f}" for other in board.rows}, reverse=True)
    text = f"{row.values[figure]:.4f}"
    if len(board.rows) > 1 and text == printed[0]:
        return Latex(rf"\textbf{{{text}}}")
    return Latex(rf"\underline{{{text}}}") if text in printed[1:2] else row.values[figure]


def _improvements(board: Board) -> Iterator[tuple[Entry, ...]]:
    bases = {row.method[1:]: row for row in board.rows if row.tokenizer == BASE}
    for row in board.rows:
        base = bases.get(row.method[1:])
        if row.tokenizer != OURS or base is None:
            continue
        for metric, word in METRICS:
            pairs = [(row.values[f"{metric}@{k}"], base.values[f"{metric}@{k}"]) for k in CUTOFFS]
            cells = [f"{100 * (a / b - 1):.2f}%" if b > 0 else "--" for a, b in pairs]
            name = f"Impr.{_setting(board, row)}" if metric == "ndcg" else ""
            yield (name, word, *cells)


def _setting(board: Board, row: Row) -> str:
    """Policy and generator, where rows differ in them."""
    settings = {other.method[1:] for other in board.rows}
    return f" ({row.policy}, {row.generator})" if len(settings) > 1 else ""

"""Boards as LaTeX tables (booktabs) in the layout of CoST's Table 2.

Two lines a row, NDCG and Recall; the best of a column in bold, the second underlined, both by the
printed digits so that equal print has equal weight; below, how much `cost` improves on `rqvae`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tokbench.report.board import Board, Row
from tokbench.report.published import Metric
from tokbench.scoring.metrics import CUTOFFS

METRICS: tuple[tuple[Metric, str], ...] = (("ndcg", "NDCG"), ("recall", "Recall"))
OURS, BASE = "cost", "rqvae"  # L_co and L_re: the paper's last row compares them
ESCAPES = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "·": r"$\cdot$",
})  # fmt: skip


def latex(boards: Sequence[Board]) -> str:
    """One table environment per board; needs the package booktabs."""
    return "\n".join(["% \\usepackage{booktabs}", *(_table(board) for board in boards)])


def _table(board: Board) -> str:
    heads = " & ".join(["tokenizer", "metric", *(f"@{k}" for k in CUTOFFS)])
    lines = [
        r"\begin{table}",
        rf"\caption{{{escaped(str(board.title))}}}",
        rf"\begin{{tabular}}{{ll{'r' * len(CUTOFFS)}}}",
        r"\toprule",
        rf"{heads} \\",
        r"\midrule",
        *_figure_lines(board),
    ]
    improvements = list(_improvement_lines(board))
    if improvements:
        lines += [r"\midrule", *improvements]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _figure_lines(board: Board) -> Iterator[str]:
    for row in board.rows:
        for metric, word in METRICS:
            cells = [_marked(board, f"{metric}@{k}", row) for k in CUTOFFS]
            name = escaped(_name(board, row)) if metric == "ndcg" else ""
            yield " & ".join([name, word, *cells]) + r" \\"


def _marked(board: Board, figure: str, row: Row) -> str:
    """The figure, bold if it is the column's best, underlined if second."""
    printed = sorted({f"{other.values[figure]:.4f}" for other in board.rows}, reverse=True)
    cell = f"{row.values[figure]:.4f}"
    if len(board.rows) > 1 and cell == printed[0]:
        return rf"\textbf{{{cell}}}"
    return rf"\underline{{{cell}}}" if cell in printed[1:2] else cell


def _improvement_lines(board: Board) -> Iterator[str]:
    """Of cost over rqvae, under each policy and generator that has both."""
    bases = {row.method[1:]: row for row in board.rows if row.tokenizer == BASE}
    for row in board.rows:
        base = bases.get(row.method[1:])
        if row.tokenizer != OURS or base is None:
            continue
        for metric, word in METRICS:
            figures = [(row.values[f"{metric}@{k}"], base.values[f"{metric}@{k}"]) for k in CUTOFFS]
            cells = [rf"{100 * (a / b - 1):.2f}\%" if b > 0 else "--" for a, b in figures]
            name = f"Impr.{_setting(board, row)}" if metric == "ndcg" else ""
            yield " & ".join([escaped(name), word, *cells]) + r" \\"


def _name(board: Board, row: Row) -> str:
    """The tokenizer, with policy and generator where rows differ in them."""
    return row.tokenizer + _setting(board, row)


def _setting(board: Board, row: Row) -> str:
    settings = {other.method[1:] for other in board.rows}
    return f" ({row.policy}, {row.generator})" if len(settings) > 1 else ""


def escaped(text: str) -> str:
    """Text in which LaTeX sees no commands."""
    return text.translate(ESCAPES)

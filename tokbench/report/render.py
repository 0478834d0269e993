"""Boards as text: for the terminal (rich), markdown, csv and json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from tokbench.report.board import FIGURES, HEADLINE, Board, Row
from tokbench.scoring.metrics import CUTOFFS

if TYPE_CHECKING:
    import pandas
    from rich.table import Table

COLUMNS = ("tokenizer", "policy", "generator", "seeds")
BLOCKS = "▁▂▃▄▅▆▇█"
NOTE = (
    "Items are scored, not codes: ties inside a tuple count at their expected rank. "
    "[low, high]: 95 % interval, a bootstrap over users, widened by what a figure varies from one "
    "training run to the next (pooled over the rows of a board that were run more than once). "
    "code-level: what most papers report. "
    "group: rows that share a letter cannot be told apart (paired test on Recall@10 over users and "
    "training runs, seeds averaged, Holm over all pairs, 5 %). "
    "dup.: share of items without a tuple of their own before the collision policy."
)


def figure_cells(row: Row) -> list[str]:
    """Recall and NDCG at every cutoff, four decimals."""
    return [f"{row.values[name]:.4f}" for name in FIGURES]


def interval_cell(row: Row) -> str:
    """The 95 % interval of Recall@10."""
    low, high = row.intervals[HEADLINE]
    return f"[{low:.4f}, {high:.4f}]"


def detail_cells(row: Row) -> list[str]:
    """Hits, code-level headline, range over seeds, duplicates, validation curve, seconds."""
    low, high = row.spread[HEADLINE]
    return [
        f"{row.hits:.0f}",
        f"{row.values[f'{HEADLINE}/code-level']:.4f}",
        f"{low:.4f}-{high:.4f}{axes_words(row)}" if row.seeds > 1 else "",
        f"{100 * row.duplicate_rate:.1f} %",
        sparkline(row.validation),
        " + ".join(f"{seconds:.0f}" for seconds in row.seconds.values()),
    ]


def runs_words(board: Board) -> str:
    """How much training varies, and what is left out, in plain sentences."""
    if board.run_sd is None:
        said = (
            "No trained row was run twice: intervals and groups cover the sampling of users only."
        )
    else:
        said = (
            f"From one training run to the next, Recall@10 of a row has a standard deviation of "
            f"{board.run_sd:.4f} (pooled, {board.run_df} degrees of freedom)."
        )
    if board.superseded:
        plural = (
            "record of earlier code is" if board.superseded == 1 else "records of earlier code are"
        )
        said += f" {board.superseded} {plural} not shown."
    return said


def random_words(board: Board) -> str:
    """What duplicates are to be read against, in a sentence; '' where no row has codes."""
    shapes = [f"{100 * rate:.1f} % ({shape})" for shape, rate in board.random_duplicates]
    return f"Duplicates expected of random codes: {', '.join(shapes)}." if shapes else ""


def axes_words(row: Row) -> str:
    """Standard deviation of Recall@10 along each seed axis, where the records tell."""
    words = ", ".join(f"{axis} {sd:.4f}" for axis, sd in row.axes.items())
    return f"; sd: {words}" if words else ""


DETAILS = ("hits@10", "code-level R@10", "R@10 by seed", "dup.", "validation NDCG@10",
           "seconds: tokenize + train + generate")  # fmt: skip


def sparkline(values: Sequence[float]) -> str:
    """A curve in one line: its shape in at most 12 blocks, its first and best value."""
    if not values:
        return ""
    step = max(1, -(-len(values) // 12))
    picked = list(values[::step])
    top = max(values) or 1.0
    shape = "".join(BLOCKS[round(7 * max(value, 0.0) / top)] for value in picked)
    best = max(range(len(values)), key=values.__getitem__)
    return f"{shape} {values[0]:.3f} to {values[best]:.3f}, best {best + 1} of {len(values)}"


def rich_tables(board: Board) -> list[Table]:
    """Two tables: the figures, and what stands behind them."""
    from rich.markup import escape
    from rich.table import Table

    figures = Table(title=escape(str(board.title)), title_justify="left", title_style="bold")
    for name in COLUMNS:
        figures.add_column(name, overflow="fold")
    for letter in ("R", "N"):
        for k in CUTOFFS:
            figures.add_column(f"{letter}@{k}", justify="right", no_wrap=True)
    figures.add_column("R@10, 95 %", no_wrap=True)
    figures.add_column("group")
    figures.add_column("remark")
    details = Table(title="behind the figures", title_justify="left")
    for name in ("tokenizer", "policy", "generator", *DETAILS):
        details.add_column(name)
    for row in board.rows:
        names = [escape(name) for name in row.method]  # `cost [levels=4]` is no markup
        figures.add_row(*names, str(row.seeds), *figure_cells(row), interval_cell(row),
                        row.group, escape(row.remark))  # fmt: skip
        details.add_row(*names, *detail_cells(row))
    return [figures, details]


def markdown(boards: Sequence[Board]) -> str:
    """Every board as two markdown tables."""
    parts = []
    for board in boards:
        heads = [*COLUMNS, *(f"{m[0].upper()}@{k}" for m in ("recall", "ndcg") for k in CUTOFFS)]
        parts.append(f"### {board.title}\n")
        rows = [
            [row.tokenizer, row.policy, row.generator, str(row.seeds), *figure_cells(row),
             interval_cell(row), row.group, row.remark]
            for row in board.rows
        ]  # fmt: skip
        parts.append(markdown_table([*heads, "R@10, 95 %", "group", "remark"], rows))
        behind = [
            [row.tokenizer, row.policy, row.generator, *detail_cells(row)] for row in board.rows
        ]
        parts.append(markdown_table(["tokenizer", "policy", "generator", *DETAILS], behind))
        parts += [f"{words}\n" for words in (runs_words(board), random_words(board)) if words]
        parts += [f"Failed: {method}: {error}\n" for method, error in board.failed]
    return "\n".join([*parts, NOTE, ""])


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with its pipes escaped."""
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def frame(boards: Sequence[Board]) -> pandas.DataFrame:
    """Every row of every board, one column per figure and per bound of its interval."""
    import pandas

    rows = []
    for board in boards:
        for row in board.rows:
            flat: dict[str, object] = asdict(board.title) | {
                name: getattr(row, name) for name in (*COLUMNS, "users", "hits", "duplicate_rate")
            }
            for name, value in row.values.items():
                low, high = row.intervals[name]
                flat |= {name: value, f"{name}/low": low, f"{name}/high": high}
            rows.append(flat | {"group": row.group, "remark": row.remark})
    return pandas.DataFrame(rows)


def as_csv(boards: Sequence[Board]) -> str:
    """`frame` as csv."""
    return str(frame(boards).to_csv(index=False, lineterminator="\n"))


def as_json(boards: Sequence[Board]) -> str:
    """Boards with everything they hold."""
    return json.dumps([asdict(board) for board in boards], indent=1) + "\n"

"""A board on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokbench.report.published import Against
    from tokbench.report.sheet import Sheet
    from tokbench.schema.record import Record


def print_board(records: Sequence[Record]) -> None:
    """Print every board of these records, with the cells that failed."""
    from tokbench.cli.screen import screen
    from tokbench.report.board import make_boards
    from tokbench.report.render import NOTE, random_words, rich_tables, runs_words

    console = screen()
    for board in make_boards(records):
        for table in rich_tables(board):
            console.print(table)
        for words in filter(None, (runs_words(board), random_words(board))):
            console.print(words, markup=False, highlight=False)
        for method, error in board.failed:
            console.print(f"failed: {method}: {error}", style="red", markup=False)
    console.print(NOTE, style="dim", markup=False, highlight=False)


def print_sheets(sheets: Sequence[Sheet]) -> None:
    """Print each table with its words."""
    from tokbench.cli.screen import screen
    from tokbench.report.sheet import rich_table

    console = screen()
    for sheet in sheets:
        console.print(rich_table(sheet))
        if sheet.words:
            console.print(sheet.words, style="dim", markup=False, highlight=False)


def print_against(found: Sequence[Against]) -> None:
    """Print our figures beside published ones, a table per board and source."""
    from rich.markup import escape
    from rich.table import Table

    from tokbench.cli.screen import screen
    from tokbench.report.published import HEADS, grouped

    console = screen()
    for heading, items in grouped(found):
        table = Table(*HEADS, title=escape(heading), title_justify="left", title_style="bold")
        for item in items:
            table.add_row(*map(escape, item.cells()))
        console.print(table)

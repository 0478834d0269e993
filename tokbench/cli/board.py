"""A board on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokbench.record import Record


def print_board(records: Sequence[Record]) -> None:
    """Print every board of these records, with the cells that failed."""
    from rich.console import Console

    from tokbench.report.board import make_boards
    from tokbench.report.render import NOTE, rich_tables

    console = Console()
    if not console.is_terminal:
        console = Console(width=200)  # a pipe has no width of its own; do not fold figures
    for board in make_boards(records):
        for table in rich_tables(board):
            console.print(table)
        for method, error in board.failed:
            console.print(f"failed: {method}: {error}", style="red", markup=False)
    console.print(NOTE, style="dim", highlight=False)

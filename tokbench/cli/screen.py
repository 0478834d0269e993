"""The console that commands print on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tokbench.errors import RecordError, one_line

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 220  # a pipe has no width of its own: do not fold tables into it


def screen() -> Console:
    """Standard output, as wide as the terminal or, in a pipe, as wide as our tables need."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


def skipped(error: RecordError) -> None:
    """Say which file a report leaves out, and why."""
    click.echo(f"left out: {one_line(str(error))}", err=True)

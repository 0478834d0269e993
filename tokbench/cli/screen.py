"""All that commands print goes through here: text that a terminal shows and does not obey."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from tokbench.errors import RecordError, one_line, plain

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 220  # a pipe has no width of its own: do not fold tables into it


def say(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print text, control characters replaced."""
    click.echo(plain(str(text)), err=err, nl=nl)


def screen(*, stderr: bool = False) -> Console:
    """Standard output, as wide as the terminal, as COLUMNS says, or in a pipe as our tables need.

    Control characters in what is printed are replaced, those that draw are rich's own.
    """
    from collections.abc import Iterable
    from typing import Any

    from rich.console import Console
    from rich.segment import Segment

    class Plain(Console):
        def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
            for part in super().render(renderable, options):
                yield part if part.control else Segment(plain(part.text), part.style)

    console = Plain(stderr=stderr)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return Plain(stderr=stderr, width=PIPE_WIDTH)


def skipped(error: RecordError) -> None:
    """Say which file a report leaves out, and why."""
    say(f"left out: {one_line(str(error))}", err=True)

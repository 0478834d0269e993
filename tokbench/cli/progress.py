"""Progress on the screen: rich bars with an ETA in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tokbench.api import Advance, Progress
from tokbench.cli.screen import say, screen

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

LINE_SECONDS = 15.0  # how often a plain line is printed


def bar_columns(text: str) -> list[ProgressColumn]:
    """What stands in a bar: `text`, units done, elapsed time and ETA."""
    from rich import progress as rich

    done = (rich.TextColumn(text), rich.BarColumn(), rich.MofNCompleteColumn())
    return [*done, rich.TimeElapsedColumn(), rich.TextColumn("ETA"), rich.TimeRemainingColumn()]


class Bars:
    """A rich bar per stage, removed when the stage is done."""

    @contextmanager
    def track(self, description: str, *, total: int) -> Iterator[Advance]:
        """A bar with units done, elapsed time and ETA."""
        from rich.progress import Progress as RichProgress
        from rich.progress import TextColumn

        columns = (*bar_columns("  {task.description}"), TextColumn("{task.fields[note]}"))
        with RichProgress(*columns, console=screen(stderr=True), transient=True) as bar:
            task = bar.add_task(description, total=total, note="")

            def advance(units: int = 1, note: str = "") -> None:
                bar.advance(task, units)
                if note:
                    bar.update(task, note=note)

            yield advance


class Lines:
    """A line every quarter of a minute, for logs and pipes."""

    @contextmanager
    def track(self, description: str, *, total: int) -> Iterator[Advance]:
        """Lines such as '  train: 12/40, 31 s, about 72 s left, loss 1.32'."""
        start = last = time.monotonic()
        done = 0

        def advance(units: int = 1, note: str = "") -> None:
            nonlocal done, last
            done += units
            now = time.monotonic()
            if now - last >= LINE_SECONDS and done:
                last = now
                left = (now - start) * max(total - done, 0) / done
                tail = f", {note}" if note else ""
                say(
                    f"  {description}: {done}/{total}, {now - start:.0f} s, "
                    f"about {left:.0f} s left{tail}",
                    err=True,
                )

        yield advance


def progress() -> Progress:
    """Bars where a person watches, lines where a file does."""
    return Bars() if sys.stderr.isatty() else Lines()

"""Callbacks that print: a line per stage and cell, and a bar over all cells where several run at
once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tokbench.cli.screen import say, screen

if TYPE_CHECKING:
    from tokbench.pipeline.context import Callbacks
    from tokbench.schema.record import Cost, Record
    from tokbench.schema.run_spec import RunSpec

Say = Callable[[str], None]


@contextmanager
def printing(jobs: int) -> Iterator[Callbacks]:
    """Lines of one cell after another, or of several at once under a bar."""
    if jobs == 1:
        yield _in_turn()
    elif sys.stderr.isatty():
        with _bar() as (line, advance):
            yield _at_once(line, advance)
    else:
        yield _at_once(lambda line: say(line, err=True), lambda done, total: None)


def _in_turn() -> Callbacks:
    """A heading per cell, its stages below it."""
    from tokbench.pipeline.context import Callbacks

    def cell_started(number: int, total: int, spec: RunSpec) -> None:
        say(f"[{number}/{total}] {_name(spec)} · {spec.profile}", err=True)

    def stage_done(spec: RunSpec, stage: str, cost: Cost) -> None:
        say(f"  {_stage(stage, cost)}", err=True)

    def cell_done(record: Record, path: Path | None) -> None:
        lead = "  " if path else f"{_name(record.spec)}: "
        say(lead + _result(record, path), err=True)

    def noted(spec: RunSpec, text: str) -> None:
        say(f"  {text}", err=True)

    return Callbacks(cell_started, stage_done, cell_done, noted)


def _at_once(say: Say, advance: Callable[[int, int], None]) -> Callbacks:
    """Every line names its cell, since lines of several cells mix."""
    from tokbench.pipeline.context import Callbacks

    numbers: dict[str, str] = {}
    finished = 0

    def cell_started(number: int, total: int, spec: RunSpec) -> None:
        numbers[spec.run_id] = f"[{number}/{total}] {_name(spec)}"
        say(f"{numbers[spec.run_id]}: started")
        advance(finished, total)

    def stage_done(spec: RunSpec, stage: str, cost: Cost) -> None:
        if not cost.reused:  # the rest would be four lines in five
            say(f"{numbers[spec.run_id]}: {_stage(stage, cost)}")

    def cell_done(record: Record, path: Path | None) -> None:
        nonlocal finished
        finished += 1
        say(f"{numbers.get(record.run_id, _name(record.spec))}: {_result(record, path)}")
        advance(finished, 0)

    def noted(spec: RunSpec, text: str) -> None:
        say(f"{_name(spec)}: {text}")

    return Callbacks(cell_started, stage_done, cell_done, noted)


@contextmanager
def _bar() -> Iterator[tuple[Say, Callable[[int, int], None]]]:
    """A bar of cells done with elapsed time and ETA, lines printed above it."""
    from rich.progress import Progress

    from tokbench.cli.progress import bar_columns

    console = screen(stderr=True)
    day = 24 * 3600.0  # cells take minutes: the rate is that of the whole run
    with Progress(*bar_columns("cells"), console=console, speed_estimate_period=day) as progress:
        task = progress.add_task("cells", total=None)

        def say(line: str) -> None:
            console.print(line, markup=False, highlight=False, soft_wrap=True)

        def advance(finished: int, total: int) -> None:
            progress.update(task, completed=finished, total=total or None)

        yield say, advance


def _name(spec: RunSpec) -> str:
    words = [spec.dataset.label, spec.tokenizer.label, spec.generator.label]
    return " · ".join([*words, spec.collision_policy, f"seed {spec.seeds}"])


def _stage(stage: str, cost: Cost) -> str:
    return f"{stage}: {'ready' if cost.reused else 'done'} ({cost.seconds:.1f} s)"


def _result(record: Record, path: Path | None) -> str:
    if record.outcome is None:
        return f"failed: {record.error}"
    figure = record.outcome.figures["recall@10"]
    return f"Recall@10 {figure.value:.4f} [{figure.low:.4f}, {figure.high:.4f}]" + (
        f", record {path}" if path else ", record was there"
    )

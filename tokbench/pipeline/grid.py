"""A request or a grid file becomes cells, each cell a record; `plan_...` says what `run_...` would.

Only this module and the line below it touch registry, store and clock.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs

from tokbench.api import Metric
from tokbench.errors import ConfigError, listed
from tokbench.pipeline.environment import cores, use_threads
from tokbench.pipeline.executor import Line, NotBuiltError, Notices, Place
from tokbench.pipeline.parallel import Setup, walk_in_processes
from tokbench.pipeline.resolve import Cell, Request, make_request, resolve
from tokbench.registry.registry import Registry, build_registry
from tokbench.schema.grid_file import ROWS, GridFile, Point, points_of
from tokbench.schema.record import Cost, Record, find_record, write_record
from tokbench.schema.run_spec import RunSpec, is_baseline


def run_grid(
    request: Request,
    place: Place,
    *,
    registry: Registry | None = None,
    notices: Notices | None = None,
    jobs: int = 1,
    threads: int | None = None,
) -> list[Record]:
    """`run_cells` for every cell of a request."""
    registry = registry or build_registry()
    cells = resolve(request, registry)
    return run_cells(cells, place, registry, notices=notices, jobs=jobs, threads=threads)


def run_cells(
    cells: Sequence[Cell],
    place: Place,
    registry: Registry,
    *,
    notices: Notices | None = None,
    jobs: int = 1,
    threads: int | None = None,
) -> list[Record]:
    """Run every cell that has no record yet; return the records of all of them, in their order.

    A cell that fails becomes a failed record and the grid goes on; errors in a dataset's files are
    raised before any cell starts. With `jobs` above 1 so many processes walk cells at once, each
    with `threads` threads (by default the cores divided by the jobs). The numbers are those of a
    run in one process with as many threads: sums over threads round differently.
    """
    notices = notices or Notices()
    metrics = _metrics(registry)
    line = Line(place, metrics, notices)
    for cell in cells:
        line.dataset(cell)  # a fault in a file shows before anything runs
    records: dict[str, Record] = {}
    for cell in cells:
        record = find_record(place.results, cell.spec)
        if record is not None:
            records[record.run_id] = record
            notices.cell_done(record, None)
    missing = [cell for cell in cells if cell.spec.run_id not in records]

    def started(cell: Cell) -> None:
        number = 1 + next(n for n, other in enumerate(cells) if other is cell)
        notices.cell_started(number, len(cells), cell.spec)

    def done(record: Record) -> None:
        records[record.run_id] = record
        notices.cell_done(record, write_record(record, place.results))

    if jobs > 1:
        setup = Setup.of(place, registry, metrics, threads or max(1, cores() // jobs))
        walk_in_processes(missing, setup, jobs, started=started, notices=notices, done=done)
    else:
        if threads is not None:
            use_threads(threads)
        for cell in missing:
            started(cell)
            done(line.walk_safely(cell))
    return [records[cell.spec.run_id] for cell in cells]


@dataclass(frozen=True)
class FileCell:
    """A cell of a grid file and the point it stands for; None for a baseline."""

    point: Point | None
    cell: Cell


def file_cells(
    path: Path, file: GridFile, given: Mapping[str, Any], registry: Registry
) -> list[FileCell]:
    """The cells of every point of a file (a cell may stand for several), then the baselines.

    `given` are fields of a request that replace the file's; overrides add to them. Raises
    ConfigError naming the file.
    """
    fields = {**file.run, **given}
    fields["overrides"] = (*file.run.get("overrides", ()), *given.get("overrides", ()))
    try:
        request = make_request(**fields)
        _check_beside(file, request)
        found = []
        for point in points_of(file, request.tokenizers):
            added = {"overrides": (*request.overrides, *point.overrides)}
            if not file.panels:
                added["tokenizers"] = (str(dict(point.at)[ROWS]),)
            for cell in resolve(request.model_copy(update=added), registry):
                beside = is_baseline(cell.spec.tokenizer.name, cell.spec.generator.name)
                found.append(FileCell(None if beside else point, cell))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    measured = [one for one in found if one.point is not None]
    baselines = {one.cell.spec.run_id: one for one in found if one.point is None}
    return [*measured, *baselines.values()]


def _check_beside(file: GridFile, request: Request) -> None:
    """What is fixed may not also vary, and a figure has one tokenizer."""
    axes = {axis.option for panel in file.panels for axis in panel.axes}
    fixed = {text.partition("=")[0] for text in request.overrides}
    if axes & fixed:
        raise ConfigError(f"{listed(sorted(axes & fixed))}: an axis of this file, not to be set")
    if file.panels and len(request.tokenizers) != 1:
        raise ConfigError(
            f"a figure has one tokenizer, not {len(request.tokenizers)}: "
            f"{listed(request.tokenizers)} (run the file once for each)"
        )


@dataclass(frozen=True)
class PlannedCell:
    """What `plan` says of one cell."""

    spec: RunSpec
    ready: tuple[str, ...]  # stages already in the store
    recorded: bool  # a completed record is there: nothing to do
    example: str  # the first item's text, as the encoder will read it


def plan_grid(
    request: Request, place: Place, *, registry: Registry | None = None
) -> list[PlannedCell]:
    """`plan_cells` for every cell of a request."""
    registry = registry or build_registry()
    return plan_cells(resolve(request, registry), place, registry)


def plan_cells(cells: Sequence[Cell], place: Place, registry: Registry) -> list[PlannedCell]:
    """What a run of these cells would do, without doing it.

    A stage's key needs the content of the stage before, so whatever follows the first missing
    stage counts as to do.
    """
    ready: list[str] = []

    def note(spec: RunSpec, stage: str, cost: Cost) -> None:
        ready.append(stage)

    line = Line(place, _metrics(registry), Notices(stage_done=note), build=False)
    planned = []
    for cell in cells:
        ready.clear()
        dataset, _ = line.dataset(cell)
        with contextlib.suppress(NotBuiltError):
            line.make(cell)
        recorded = find_record(place.results, cell.spec) is not None
        planned.append(PlannedCell(cell.spec, tuple(ready), recorded, dataset.texts[0]))
    return planned


def _metrics(registry: Registry) -> list[Metric]:
    metrics = [entry.cls() for entry in registry.all("metric")]
    return [metric for metric in metrics if isinstance(metric, Metric)]


def default_place(results: Path = Path("results")) -> Place:
    """Records in `results`, artifacts in the user's cache folder (or TOKBENCH_CACHE)."""
    cache = os.environ.get("TOKBENCH_CACHE") or platformdirs.user_cache_dir("tokbench")
    return Place(results, Path(cache))


def run(
    *,
    tokenizers: Sequence[str],
    datasets: Sequence[str],
    results: str | Path = "results",
    cache: str | Path | None = None,
    device: str = "cpu",
    jobs: int = 1,
    threads: int | None = None,
    plugins: Sequence[str | Path] = (),
    **request: Any,
) -> list[Record]:
    """Run a grid from Python, as `tokbench run` does.

        tokbench.run(tokenizers=["cost"], datasets=["toy"], encoder="tfidf", profile="toy")

    `jobs` cells run at once, each in a process of its own (see `run_cells`): a script must then
    make the call below `if __name__ == "__main__":`. `request` takes the other fields of
    `Request`: generators, encoder, seeds, tokenizer_seeds, generator_seeds, profile, protocol,
    collision_policies, beam_width, baselines, overrides. Raises ConfigError for anything else.
    """
    place = replace(default_place(Path(results)), device=device, command="tokbench.run")
    if cache is not None:
        place = replace(place, cache=Path(cache))
    registry = build_registry([Path(plugin) for plugin in plugins])
    asked = make_request(tokenizers=tuple(tokenizers), datasets=tuple(datasets), **request)
    return run_grid(asked, place, registry=registry, jobs=jobs, threads=threads)

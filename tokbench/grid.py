"""A request becomes cells, each cell a record. `plan_grid` says what `run_grid` would do.

Only this module and the line below it touch registry, store and clock.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs

from tokbench.api import Metric
from tokbench.line import Line, NotBuiltError, Notices, Place
from tokbench.record import Cost, Record, find_record, write_record
from tokbench.registry import Registry, build_registry
from tokbench.request import Request, make_request, resolve
from tokbench.spec import RunSpec


def run_grid(
    request: Request,
    place: Place,
    *,
    registry: Registry | None = None,
    notices: Notices | None = None,
) -> list[Record]:
    """Run every cell of the request that has no record yet; return the records of all of them.

    A cell that fails becomes a failed record and the grid goes on; errors in the request itself
    or in a dataset's files are raised before any cell starts.
    """
    registry = registry or build_registry()
    notices = notices or Notices()
    cells = resolve(request, registry)
    line = Line(place, _metrics(registry), notices)
    for cell in cells:
        line.dataset(cell)  # a fault in a file shows before anything runs
    records = []
    for number, cell in enumerate(cells, 1):
        notices.cell_started(number, len(cells), cell.spec)
        record, path = find_record(place.results, cell.spec), None
        if record is None:
            record = line.walk_safely(cell)
            path = write_record(record, place.results)
        notices.cell_done(record, path)
        records.append(record)
    return records


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
    """What a run of this request would do, without doing it.

    A stage's key needs the content of the stage before, so whatever follows the first missing
    stage counts as to do.
    """
    registry = registry or build_registry()
    ready: list[str] = []

    def note(stage: str, cost: Cost) -> None:
        ready.append(stage)

    line = Line(place, _metrics(registry), Notices(stage_done=note), build=False)
    planned = []
    for cell in resolve(request, registry):
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
    plugins: Sequence[str | Path] = (),
    **request: Any,
) -> list[Record]:
    """Run a grid from Python, as `tokbench run` does.

        tokbench.run(tokenizers=["cost"], datasets=["toy"], encoder="tfidf", profile="toy")

    `request` takes the other fields of `Request`: generators, encoder, seeds, tokenizer_seeds,
    generator_seeds, profile, protocol, collision_policies, beam_width, baselines, overrides.
    Raises ConfigError for anything else.
    """
    place = replace(default_place(Path(results)), device=device, command="tokbench.run")
    if cache is not None:
        place = replace(place, cache=Path(cache))
    registry = build_registry([Path(plugin) for plugin in plugins])
    asked = make_request(tokenizers=tuple(tokenizers), datasets=tuple(datasets), **request)
    return run_grid(asked, place, registry=registry)

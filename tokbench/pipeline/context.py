"""What a run is given beside its cells: where to compute and keep things, and whom to tell."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from tokbench.api import Precision, Progress, Quiet, Runtime
from tokbench.registry.isolated.client import Limits
from tokbench.schema.record import Cost, Record
from tokbench.schema.run_spec import RunSpec


def default_cache() -> Path:
    """TOKBENCH_CACHE, or the user's cache folder."""
    return Path(os.environ.get("TOKBENCH_CACHE") or platformdirs.user_cache_dir("tokbench"))


@dataclass(frozen=True)
class RunContext:
    """Where to compute and where to keep things: never part of a result's identity."""

    results: Path = Path("results")
    cache: Path = field(default_factory=default_cache)
    device: str = "cpu"
    progress: Progress = field(default_factory=Quiet)
    command: str = ""
    limits: Limits = field(default_factory=Limits)  # of third-party code at one stage
    shared: str = ""  # the fsspec address of a store that other machines use too

    @property
    def store(self) -> Path:
        """Where artifacts are kept."""
        return self.cache / "store"

    def runtime(self, precision: Precision = "float32") -> Runtime:
        """A Runtime with an empty log."""
        return Runtime(self.device, self.cache / "downloads", self.progress, precision=precision)


@dataclass
class Callbacks:
    """Called while a grid runs; the command line prints what it is told.

    `cell_started(number, total, spec)` when the first stage of a cell is begun, `stage_done(spec,
    stage, cost)` for each of its stages, found or built, `cell_done(record, path)` at its end;
    the path is None where the record was there before; `noted(spec, text)` says what a user should
    know beside it.
    """

    cell_started: Callable[[int, int, RunSpec], None] = lambda number, total, spec: None
    stage_done: Callable[[RunSpec, str, Cost], None] = lambda spec, stage, cost: None
    cell_done: Callable[[Record, Path | None], None] = lambda record, path: None
    noted: Callable[[RunSpec, str], None] = lambda spec, text: None

"""Cells in several processes at once: small cells leave most of a machine idle one by one.

The parent hands cells out and writes records; a worker walks one cell at a time and reports each
stage. A cell that needs a stage which another is about to build is kept back until that stage is
there, so shared stages are built once and no worker sits waiting for a lock. A worker that dies
spoils the cell it walked and is replaced.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from tokbench.api import Metric, Quiet
from tokbench.errors import WorkerError
from tokbench.pipeline.environment import use_threads
from tokbench.pipeline.executor import STAGES, Line, Notices, Place, failed_record
from tokbench.pipeline.resolve import Cell
from tokbench.registry.registry import Registry, build_registry
from tokbench.schema.record import Cost, Record
from tokbench.schema.run_spec import RunSpec, canonical_digest

READY = "ready"
PATIENCE = 5.0  # seconds between asking a worker to end and ending it


@dataclass(frozen=True)
class Start:
    """What a worker knows when it starts."""

    place: Place
    plugin_files: tuple[str, ...]  # loaded first: their classes cannot be unpickled before
    threads: int


@dataclass(frozen=True)
class Setup:
    """What every worker of a grid gets."""

    start: Start
    metrics: tuple[Metric, ...]

    @classmethod
    def of(cls, place: Place, registry: Registry, metrics: Sequence[Metric], threads: int) -> Setup:
        """For one grid. Workers draw no bars: several at once could not be read."""
        files = tuple(plugin.name for plugin in registry.plugins if plugin.origin == "file")
        return cls(Start(replace(place, progress=Quiet()), files, threads), tuple(metrics))


def walk_in_processes(
    cells: Sequence[Cell],
    setup: Setup,
    jobs: int,
    *,
    started: Callable[[Cell], None],
    notices: Notices,
    done: Callable[[Record], None],
) -> None:
    """Walk the cells in `jobs` processes; `done` gets each record as soon as it is there.

    Raises WorkerError when a cell cannot be sent to a worker or a worker cannot start. Whatever
    is raised here (an interrupt too), the workers are ended; finished stages stay in the store.
    """
    waiting = [_Task(cell) for cell in cells]
    crew: list[_Worker] = []
    try:
        while waiting or any(worker.task for worker in crew):
            while len(crew) < min(jobs, len(cells)):
                crew.append(_Worker(setup))
            for worker in crew:
                task = None if worker.task else _next(waiting, crew)
                if task is not None:
                    waiting.remove(task)
                    started(task.cell)
                    worker.start(task)
            heard = wait([worker.pipe for worker in crew])
            for worker in [worker for worker in crew if worker.pipe in heard]:
                record = worker.listen(notices)
                if record is not None:
                    done(record)
                if worker.dead:
                    crew.remove(worker)
    finally:
        for worker in crew:
            worker.stop()


@dataclass
class _Task:
    """A cell, what goes into each of its stages as far as its spec says, and what is done."""

    cell: Cell
    inputs: dict[str, str] = field(init=False)
    finished: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.inputs = stage_inputs(self.cell.spec)
        try:
            pickle.dumps(self.cell)
        except Exception as error:  # a stranger's component may hold anything
            raise WorkerError(
                f"{self.cell.spec.tokenizer.label} on {self.cell.spec.dataset.label} cannot be "
                f"sent to a worker process: {error} (run it without --jobs)"
            ) from error

    def builds_for(self, other: _Task) -> bool:
        """Is a stage that `other` needs still to come here?"""
        return any(
            stage not in self.finished and self.inputs[stage] == other.inputs[stage]
            for stage in STAGES
        )


def stage_inputs(spec: RunSpec) -> dict[str, str]:
    """A digest per stage: two specs that agree in one will share that stage's artifact."""
    parts: list[Any] = [spec.protocol, spec.dataset.model_dump(mode="json")]
    added: dict[str, list[Any]] = {
        "embed": [spec.encoder.model_dump(mode="json")],
        "tokenize": [spec.tokenizer.model_dump(mode="json"), spec.tokenizer_seed],
        "address": [spec.collision_policy],
        "train": [spec.generator.model_dump(mode="json"), spec.generator_seed],
        "generate": [spec.beam_width],
    }
    found = {}
    for stage in STAGES:
        parts += added[stage]
        found[stage] = canonical_digest(parts)
    return found


def _next(waiting: Sequence[_Task], crew: Sequence[_Worker]) -> _Task | None:
    """The first task that would not wait for a stage somebody is at."""
    walked = [worker.task for worker in crew if worker.task]
    free = (task for task in waiting if not any(other.builds_for(task) for other in walked))
    return next(free, None)


class _Worker:
    """The parent's side of one process."""

    def __init__(self, setup: Setup) -> None:
        context = multiprocessing.get_context("spawn")  # CUDA and threads do not survive a fork
        self.setup, self.ready, self.dead = setup, False, False
        self.task: _Task | None = None
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, setup.start), daemon=False)
        self.process.start()
        theirs.close()  # held by the worker alone, so that its death ends the pipe
        self._send(setup.metrics)

    def start(self, task: _Task) -> None:
        """Hand over a cell."""
        self.task = task
        self._send(task.cell)

    def listen(self, notices: Notices) -> Record | None:
        """Take what the worker has to say: a record ends its cell."""
        try:
            said = self.pipe.recv()
        except (EOFError, OSError):
            return self._bury()
        if isinstance(said, Record):
            self.task = None
            return said
        if said == READY:
            self.ready = True
        elif self.task is not None:
            stage, cost = said
            self.task.finished.add(stage)
            notices.stage_done(self.task.cell.spec, stage, cost)
        return None

    def stop(self) -> None:
        """End the process, whatever it is at."""
        self.process.terminate()
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()

    def _send(self, value: object) -> None:
        with contextlib.suppress(OSError):  # it has died: `listen` will find out
            self.pipe.send(value)

    def _bury(self) -> Record | None:
        """The failed record of the cell a dead worker was at."""
        self.dead = True
        self.stop()
        if not self.ready:
            raise WorkerError(
                f"a worker process ended before it was ready (exit code {self.process.exitcode}); "
                "its error stands above. A script that calls tokbench.run(jobs=...) must do so "
                "below `if __name__ == '__main__':`"
            )
        if self.task is None:
            return None
        left = [stage for stage in STAGES if stage not in self.task.finished]
        where = left[0] if left else "score"
        return failed_record(
            self.task.cell,
            self.setup.start.place,
            f"its worker process died at the stage {where} ({_cause(self.process.exitcode)})",
        )


def _cause(exit_code: int | None) -> str:
    """What an exit code says; negative ones are signals."""
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    name = signal.Signals(-exit_code).name
    memory = "; memory may have run out, try fewer --jobs" if name == "SIGKILL" else ""
    return f"ended by {name}{memory}"


def _work(pipe: Connection, start: Start) -> None:
    """A worker: walk the cells that come through the pipe until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    threading.Thread(target=_end_with_parent, daemon=True).start()
    use_threads(start.threads)
    build_registry([Path(file) for file in start.plugin_files], entry_points=False)

    def stage_done(spec: RunSpec, stage: str, cost: Cost) -> None:
        pipe.send((stage, cost))

    line = Line(start.place, pipe.recv(), Notices(stage_done=stage_done))
    pipe.send(READY)
    with contextlib.suppress(EOFError):
        while True:
            pipe.send(line.walk_safely(pipe.recv()))


def _end_with_parent() -> None:
    """Do not compute on when the parent was killed: nobody would write the record."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)

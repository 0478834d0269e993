"""Where tasks are done: the protocol of an executor, and the one that works in this process.

A task is one stage of one cell, or its score. It names artifacts by key, so it is small, any
process that sees the store can do it, and doing it twice changes nothing. Whatever becomes of it is
a value: an Artifact, a Scored outcome, or Failed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tokbench.api import Metric
from tokbench.errors import StoreError, WorkerError, sentence
from tokbench.pipeline import devices, environment
from tokbench.pipeline.added_metrics import guarded
from tokbench.pipeline.cell import Cell, DataCache
from tokbench.pipeline.context import RunContext
from tokbench.pipeline.outcome import Made, make_outcome
from tokbench.pipeline.shared_store import open_store
from tokbench.pipeline.stages import CHAIN, STAGE
from tokbench.pipeline.store import Artifact
from tokbench.registry.isolated.client import use_limits
from tokbench.schema.record import Outcome
from tokbench.types import digest

SCORE = "score"  # the last task of a cell: its artifacts become an outcome


@dataclass(frozen=True)
class Task:
    """A stage to build (or SCORE), with the keys of that stage and of those before it."""

    cell: Cell
    stage: str
    keys: Mapping[str, str]


@dataclass(frozen=True)
class Scored:
    """What came out of a cell, and what it was scored on."""

    outcome: Outcome
    environment: dict[str, str]
    left_out: tuple[str, ...] = ()  # metrics of plugins that came to nothing, and why


@dataclass(frozen=True)
class Failed:
    """A task that came to nothing, with the sentence that says why."""

    error: str
    lost: bool = False  # the GPU, to this process: it can do no other task


Result = Artifact | Scored | Failed


class Executor(Protocol):
    """Does tasks somewhere. A new kind (a cluster, a queue) is one class with these three."""

    @property
    def slots(self) -> int:
        """Tasks worth having under way at once; may change from one call to the next."""
        ...

    def submit(self, task: Task) -> Future[Result]:
        """Begin a task. The future raises only what ends the grid: a WorkerError."""
        ...

    def close(self) -> None:
        """End whatever is under way; finished stages stay in the store."""
        ...


class LocalExecutor:
    """Does each task in this process, at once."""

    slots = 1

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def submit(self, task: Task) -> Future[Result]:
        """A future that is done."""
        future: Future[Result] = Future()
        result = self._worker.do(task)
        if isinstance(result, Failed) and result.lost:
            future.set_exception(
                WorkerError(
                    f"the GPU was lost to this process at the stage {task.stage}: {result.error} "
                    "(with --jobs 2 only this cell fails, and its process is replaced)"
                )
            )
        else:
            future.set_result(result)
        return future

    def close(self) -> None:
        """Nothing is under way."""


class Worker:
    """Does tasks in the process it lives in, wherever that is."""

    def __init__(
        self, context: RunContext, metrics: Sequence[Metric], data: DataCache | None = None
    ) -> None:
        self._context, self._metrics = context, metrics
        use_limits(context.limits)
        self._store = open_store(context)
        self._data = data or DataCache(context.runtime())
        self._loaded: dict[tuple[str, str], tuple[Artifact, Any]] = {}  # of the last cell

    def do(self, task: Task) -> Result:
        """The task's result; whatever a component raises is Failed."""
        self._loaded = {k: v for k, v in self._loaded.items() if k in task.keys.items()}
        try:
            return self._score(task) if task.stage == SCORE else self._build(task)
        except (Exception, SystemExit) as error:  # a plugin may call sys.exit
            return Failed(sentence(error), devices.is_lost(error))

    def _build(self, task: Task) -> Artifact:
        """The artifact of the task's stage. Its facts: the digest of its content, cost, log, and
        what the stage's `tell` gave."""
        stage = STAGE[task.stage]
        assert stage.save and stage.load, f"{stage.name} is not stored"
        save, load = stage.save, stage.load

        def build(folder: Path) -> dict[str, Any]:
            inputs = [self._value(name, task) for name in stage.inputs]
            runtime = self._context.runtime(task.cell.spec.precision)
            devices.forget_device_peak(runtime.device)
            start = time.perf_counter()
            value = stage.run(*inputs, runtime)
            cost = {
                "seconds": round(time.perf_counter() - start, 3),
                "peak_memory_mb": environment.peak_memory_mb(),
                "device_memory_mb": devices.device_peak_mb(runtime.device),
            }
            save(folder, value)
            told = stage.tell(value, *inputs, runtime) if stage.tell else {}
            content = digest(load(folder))
            return {"digest": content, "cost": cost, "log": runtime.rows, "told": told}

        return self._store.obtain(stage.name, task.keys[stage.name], build)

    def _score(self, task: Task) -> Scored:
        found = {name: self._find(name, task) for name in task.keys}
        value = {name: each for name, (_, each) in found.items()}
        facts = {name: artifact.facts for name, (artifact, _) in found.items()}
        made = Made(
            embeddings=value["embed"],
            raw=value["tokenize"],
            ids=value["address"],
            state=value["train"],
            beams=value["generate"],
            measures=value["measure"],
            searched=value.get("exhaust", {}),
            likelihood=value.get("likelihood", {}),
            told=facts["tokenize"]["told"],
            digests={name: facts[name]["digest"] for name in CHAIN},
            curves={name: each["log"] for name, each in facts.items() if each["log"]},
        )
        data = self._data.of(task.cell)
        left_out: list[str] = []
        outcome = make_outcome(
            made, data.dataset, data.split, guarded(self._metrics, left_out.append)
        )
        return Scored(outcome, environment.describe(self._context.device), tuple(left_out))

    def _value(self, name: str, task: Task) -> object:
        """An input of a stage: of the data or the spec, made here, or read from the store."""
        stage = STAGE.get(name)
        if stage is None:
            return self._data.of(task.cell).value(name, task.cell)
        if stage.save is None:
            return stage.run(*(self._value(each, task) for each in stage.inputs))
        return self._find(name, task)[1]

    def _find(self, name: str, task: Task) -> tuple[Artifact, Any]:
        """An artifact that the task names, with its value."""
        key, load = task.keys[name], STAGE[name].load
        if (name, key) not in self._loaded:
            artifact = self._store.find(name, key)
            if artifact is None or load is None:
                raise StoreError(
                    f"{name} {key} was removed from the store at {self._context.store}, or "
                    "damaged, while the grid ran: run it again"
                )
            self._loaded[name, key] = artifact, load(artifact.folder)
        return self._loaded[name, key]

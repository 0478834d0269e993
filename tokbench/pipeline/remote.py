"""A task done in a process that a cluster's engine started: what Ray and SLURM have in common."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tokbench.api import Metric, Quiet
from tokbench.errors import WorkerError
from tokbench.pipeline.context import RunContext
from tokbench.pipeline.devices import share_card
from tokbench.pipeline.environment import use_threads
from tokbench.pipeline.executor import SCORE, Failed, Result, Task, Worker

ON_DEVICE = ("embed", "tokenize", "train", "generate", "likelihood", "exhaust")
ATTEMPTS = 2  # of a task whose worker died


@dataclass(frozen=True)
class Job:
    """What a worker process is told once: it keeps its Worker for the next task of the like."""

    context: RunContext
    metrics: tuple[Metric, ...]
    threads: int
    processes: int = 1  # that share a card


def job_of(context: RunContext, metrics: Sequence[Metric], threads: int, processes: int = 1) -> Job:
    """A job without bars: several at once could not be read. Paths are made absolute, since a
    worker starts elsewhere."""
    context = replace(
        context,
        results=context.results.absolute(),
        cache=context.cache.absolute(),
        progress=Quiet(),
    )
    return Job(context, tuple(metrics), threads, processes)


_kept: tuple[tuple[object, ...], Worker] | None = None  # of this process


def do(job: Job, task: Task) -> Result:
    """The task's result, here."""
    global _kept
    device = job.context.device if on_device(task) else "cpu"
    known = (os.fspath(job.context.cache), device, job.threads, job.processes)
    if _kept is None or _kept[0] != known:
        use_threads(job.threads)
        share_card(device, job.processes)
        _kept = known, Worker(replace(job.context, device=device), job.metrics)
    return _kept[1].do(task)


def on_device(task: Task) -> bool:
    """Does the task's stage use a GPU where there is one? The score names the device it was on."""
    return task.stage in ON_DEVICE or task.stage == SCORE


def died(task: Task, error: object) -> Failed:
    """What becomes of a task whose worker died ATTEMPTS times."""
    return Failed(
        f"its worker died at the stage {task.stage}, {ATTEMPTS} times "
        f"({str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__})"
    )


def lost(task: Task, result: Result) -> Result:
    """The result; raises WorkerError for a GPU that its process lost, so that it is tried in
    another."""
    if isinstance(result, Failed) and result.lost:
        raise WorkerError(f"the GPU was lost at the stage {task.stage}: {result.error}")
    return result

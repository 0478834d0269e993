"""An executor that works in several processes of this machine.

Every worker is a process pool of one: in a larger pool of concurrent.futures a worker that dies
spoils the tasks of all. A worker serves many tasks, and one that died is replaced.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

from tokbench.api import Metric, Quiet
from tokbench.errors import WorkerError
from tokbench.pipeline.cell import Cell
from tokbench.pipeline.context import RunContext
from tokbench.pipeline.devices import cards, share_card
from tokbench.pipeline.environment import use_threads
from tokbench.pipeline.executor import Failed, Result, Task, Worker

PATIENCE = 5.0  # seconds between asking a worker to end and ending it


@dataclass
class _Process:
    """A pool of one, its process, a future that is done when that is ready, and its device."""

    pool: ProcessPoolExecutor
    process: BaseProcess
    ready: Future[None]
    device: str


class ProcessExecutor:
    """Does up to `jobs` tasks at once, each in a process; a death is the task's result.

    Each process is given `threads` threads, and where the device is `cuda` the card that has the
    fewest processes. It draws no bars: several at once could not be read.
    """

    def __init__(
        self,
        context: RunContext,
        metrics: Sequence[Metric],
        *,
        jobs: int,
        threads: int,
    ) -> None:
        self.slots, self._threads, self._metrics = jobs, threads, metrics
        self._context = replace(context, progress=Quiet())
        self._cards = cards(context.device)
        self._all: list[_Process] = []
        self._idle: list[_Process] = []

    def submit(self, task: Task) -> Future[Result]:
        """Begin a task in an idle worker, or in a new one."""
        worker = self._idle.pop() if self._idle else self._new_worker()
        answer: Future[Result] = Future()
        begun = worker.pool.submit(_do, task)
        begun.add_done_callback(partial(self._finish, worker, task, answer))
        return answer

    def close(self) -> None:
        """End every worker, whatever it is at."""
        for worker in self._all:
            worker.process.terminate()
        for worker in self._all:
            worker.process.join(PATIENCE)
            worker.process.kill()
            worker.pool.shutdown()

    def _new_worker(self) -> _Process:
        before = set(multiprocessing.active_children())
        context = multiprocessing.get_context("spawn")  # CUDA and threads do not survive a fork
        pool = ProcessPoolExecutor(1, context, _begin, (self._threads,))
        busy = Counter(worker.device for worker in self._all if worker.process.is_alive())
        device = min(self._cards, key=busy.__getitem__)
        shared = -(-self.slots // len(self._cards))  # processes on a card
        mine = replace(self._context, device=device)
        ready = pool.submit(_equip, mine, self._metrics, shared)  # starts the process
        (process,) = set(multiprocessing.active_children()) - before
        worker = _Process(pool, process, ready, device)
        self._all.append(worker)
        return worker

    def _finish(
        self, worker: _Process, task: Task, answer: Future[Result], done: Future[Result]
    ) -> None:
        """Called when a task ended, by itself or with its process."""
        if done.exception() is None:
            result = done.result()
            if isinstance(result, Failed) and result.lost:
                worker.process.terminate()  # a new one takes its place
            else:
                self._idle.append(worker)
            answer.set_result(result)
            return
        worker.process.join(PATIENCE)
        code = worker.process.exitcode
        if worker.ready.exception() is None:
            said = f"its worker process died at the stage {task.stage} ({_cause(code)})"
            answer.set_result(Failed(said))
        else:
            answer.set_exception(
                WorkerError(
                    f"a worker process ended before it was ready (exit code {code}); its error "
                    "stands above. A script that calls tokbench.run(jobs=...) must do so below "
                    "`if __name__ == '__main__':`"
                )
            )


def check_sendable(cells: Sequence[Cell]) -> None:
    """Raise WorkerError for a cell that cannot be sent to another process."""
    for cell in cells:
        try:
            pickle.dumps(cell)
        except Exception as error:  # a stranger's component may hold anything
            raise WorkerError(
                f"{cell.spec.tokenizer.label} on {cell.spec.dataset.label} cannot be sent to a "
                f"worker process: {error} (run it without --jobs)"
            ) from error


def _cause(exit_code: int | None) -> str:
    """What an exit code says; negative ones are signals."""
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    name = signal.Signals(-exit_code).name
    memory = "; memory may have run out, try fewer --jobs" if name == "SIGKILL" else ""
    return f"ended by {name}{memory}"


_worker: Worker | None = None  # of this process, where it is a worker process


def _begin(threads: int) -> None:
    """Make this process a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    threading.Thread(target=_end_with_parent, daemon=True).start()
    use_threads(threads)


def _equip(context: RunContext, metrics: Sequence[Metric], processes: int) -> None:
    """Make its Worker, which may be one of several `processes` on a card."""
    global _worker
    share_card(context.device, processes)
    _worker = Worker(context, metrics)


def _do(task: Task) -> Result:
    assert _worker is not None
    return _worker.do(task)


def _end_with_parent() -> None:
    """Do not compute on when the parent was killed: nobody would write the record."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)

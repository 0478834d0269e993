"""An executor on a SLURM site through submitit: one job a stage, sent again once where it died.

The store has to be a folder that every node sees under the same path, as a home or a scratch
folder of a site is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from tokbench.api import Metric
from tokbench.errors import MissingExtraError, WorkerError
from tokbench.pipeline.context import RunContext
from tokbench.pipeline.executor import Result, Task
from tokbench.pipeline.remote import ATTEMPTS, died, do, job_of, lost, on_device

MOST = 100  # jobs under way at once, where --jobs says nothing
MINUTES = 24 * 60  # a job may take


@dataclass
class _Sent:
    """A task under way: its job, which attempt that is, and who waits for it."""

    task: Task
    job: Any
    attempt: int
    answer: Future[Result]


class SlurmExecutor:
    """Does each task as a job of the site's queue.

    A job asks for `threads` CPUs and, where the device is a GPU and the stage uses it, for one
    card. `options` are sbatch's own (partition, account, time in minutes, mem, qos). `cluster`
    "local" starts processes of this machine instead of jobs, as submitit does without SLURM.

    Raises MissingExtraError without submitit, WorkerError where no SLURM answers.
    """

    def __init__(
        self,
        context: RunContext,
        metrics: Sequence[Metric],
        *,
        jobs: int = 1,
        threads: int = 1,
        options: Mapping[str, str] | None = None,
        cluster: str = "slurm",
        pause: float = 1.0,
    ) -> None:
        try:
            import submitit
        except ImportError as error:
            raise MissingExtraError(
                "--executor slurm", package="submitit", extra="slurm"
            ) from error
        self.slots = jobs if jobs > 1 else MOST
        self._job = job_of(context, metrics, threads)
        self._gpu = context.device.startswith("cuda")
        try:
            self._queue = submitit.AutoExecutor(
                folder=self._job.context.cache / "slurm", cluster=cluster
            )
        except RuntimeError as error:
            raise WorkerError(f"no SLURM on this machine: {error}") from error
        given = dict(options or {})
        self._queue.update_parameters(
            name="tokbench",
            cpus_per_task=threads,
            timeout_min=int(given.pop("time", MINUTES)),
            **{f"slurm_{name}": value for name, value in given.items()},
        )
        self._pause = pause
        self._sent: list[_Sent] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def submit(self, task: Task) -> Future[Result]:
        """Send a task to the queue."""
        answer: Future[Result] = Future()
        with self._lock:
            self._sent.append(_Sent(task, self._send(task), 1, answer))
        return answer

    def close(self) -> None:
        """Cancel the jobs that are under way."""
        self._closed.set()
        with self._lock:
            for sent in self._sent:
                sent.job.cancel(check=False)
            self._sent.clear()

    def _send(self, task: Task) -> Any:
        self._queue.update_parameters(gpus_per_node=int(self._gpu and on_device(task)))
        return self._queue.submit(_do, self._job, task)

    def _watch(self) -> None:
        """Look at the jobs from time to time until the executor is closed."""
        while not self._closed.is_set():
            with self._lock:
                ended = [sent for sent in self._sent if sent.job.done()]
                self._sent = [sent for sent in self._sent if sent not in ended]
            for sent in ended:
                self._take(sent)
            time.sleep(self._pause)

    def _take(self, sent: _Sent) -> None:
        """A job has ended: by itself, or it is sent again."""
        error = sent.job.exception()
        if error is None:
            sent.answer.set_result(sent.job.result())
        elif sent.attempt == ATTEMPTS:
            sent.answer.set_result(died(sent.task, error))
        else:
            with self._lock:
                job = self._send(sent.task)
                self._sent.append(_Sent(sent.task, job, sent.attempt + 1, sent.answer))


def _do(job: Any, task: Task) -> Result:
    return lost(task, do(job, task))

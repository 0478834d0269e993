"""An executor on a Ray cluster: one Ray task a stage, retried once where its worker or node died.

The store has to be a folder that every node sees under the same path.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from tokbench.api import Metric
from tokbench.errors import MissingExtraError, WorkerError
from tokbench.pipeline.context import RunContext
from tokbench.pipeline.executor import Result, Task
from tokbench.pipeline.remote import ATTEMPTS, died, do, job_of, lost, on_device


class RayExecutor:
    """Does tasks on the cluster at `address`, or on one that it starts on this machine.

    A task asks for `threads` CPUs and, where the device is a GPU and the stage uses it, for
    `gpu_share` of one; its process then takes no more than that share of the card's memory.
    `slots` follows the cluster as it grows and shrinks; `jobs` above 1 is the most at once.

    Raises MissingExtraError without ray, WorkerError where no cluster answers.
    """

    def __init__(
        self,
        context: RunContext,
        metrics: Sequence[Metric],
        *,
        address: str = "",
        jobs: int = 1,
        threads: int = 1,
        gpu_share: float = 1.0,
    ) -> None:
        try:
            import ray
        except ImportError as error:
            raise MissingExtraError("--executor ray", package="ray", extra="ray") from error
        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            try:
                ray.init(address=address or None, log_to_driver=False, logging_level="ERROR",
                         include_dashboard=False if not address else None)  # fmt: skip
            except (ConnectionError, RuntimeError, ValueError) as error:
                said = str(error).strip().splitlines()[0]
                raise WorkerError(
                    f"no Ray cluster at {address or 'this machine'}: {said}"
                ) from error
        self._most, self._threads = jobs, threads
        self._share = gpu_share if context.device.startswith("cuda") else 0.0
        self._job = ray.put(job_of(context, metrics, threads, round(1 / gpu_share)))
        self._do = ray.remote(_do)
        self._running: set[Any] = set()

    @property
    def slots(self) -> int:
        """Tasks that the cluster has CPUs and GPUs for, one at least."""
        has = self._ray.cluster_resources()
        room = int(has.get("CPU", 1) // self._threads)
        if self._share:
            room = min(room, int(has.get("GPU", 0) / self._share) or 1)
        return max(1, min(room, self._most) if self._most > 1 else room)

    def submit(self, task: Task) -> Future[Result]:
        """Begin a task somewhere in the cluster."""
        answer: Future[Result] = Future()
        reference = self._do.options(
            num_cpus=self._threads,
            num_gpus=self._share if on_device(task) else 0,
            max_retries=ATTEMPTS - 1,
            retry_exceptions=[WorkerError],
            name=f"{task.stage} {task.cell.spec.run_id}",
        ).remote(self._job, task)
        self._running.add(reference)
        reference.future().add_done_callback(partial(self._finish, reference, task, answer))
        return answer

    def close(self) -> None:
        """End what is under way, and the cluster where it was started here."""
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running.clear()
        if self._started:
            self._ray.shutdown()

    def _finish(
        self, reference: Any, task: Task, answer: Future[Result], done: Future[Result]
    ) -> None:
        self._running.discard(reference)
        error = done.exception()
        answer.set_result(done.result() if error is None else died(task, error))


def _do(job: Any, task: Task) -> Result:
    return lost(task, do(job, task))

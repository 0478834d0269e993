"""Which task comes next: every cell as far as its inputs allow, each artifact built once.

A stage of a cell is ready as soon as the digests of its inputs are known; then its key is known
too, and cells that come to the same key share one artifact, whoever builds it. Tasks of earlier
cells go first, so that cells are finished one after the other.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

from tokbench.pipeline.cell import Cell, Data, DataCache
from tokbench.pipeline.context import Callbacks
from tokbench.pipeline.executor import SCORE, Executor, Failed, Result, Scored, Task
from tokbench.pipeline.stages import STAGE, STAGES, Stage, key_of
from tokbench.pipeline.store import Artifact, Store
from tokbench.schema.record import Cost

Finish = Callable[[Cell, dict[str, Cost], Scored | Failed], None]


class CellProgress:
    """How far a cell has come: keys and costs of the artifacts that are there."""

    def __init__(self, cell: Cell, data: Data) -> None:
        self.cell, self._data = cell, data
        self.keys: dict[str, str] = {}
        self.costs: dict[str, Cost] = {}
        self.started = self.over = False
        self._digests: dict[str, object] = {}  # of the stages' values, as far as they are known

    def ready(self) -> Iterator[tuple[Stage, str]]:
        """The stored stages whose inputs are there and which are not, with their keys. What is
        added while this is iterated counts."""
        for stage in self.cell.stages:
            waits = any(name in STAGE and name not in self._digests for name in stage.inputs)
            if waits or stage.name in self._digests:
                continue
            key = key_of(stage, {name: self._digest(name) for name in stage.inputs})
            if stage.save:
                yield stage, key
            else:
                self._digests[stage.name] = key

    def add(self, stage: Stage, key: str, artifact: Artifact, *, built: bool) -> None:
        """Note an artifact that is there; its cost is `reused` unless this cell had it built."""
        self._digests[stage.name] = artifact.facts["digest"]
        self.keys[stage.name] = key
        self.costs[stage.name] = Cost(**artifact.facts["cost"], reused=not built)

    @property
    def complete(self) -> bool:
        """Is every stage there?"""
        return all(stage.name in self._digests for stage in self.cell.stages)

    def _digest(self, name: str) -> object:
        known = self._digests.get(name)
        return self._data.digest(name, self.cell) if known is None else known


class Schedule:
    """The tasks of a grid, handed to an executor as they become ready.

    A stage that fails ends every cell that needs it, and no other. `started` and `finish` are
    called once a cell.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        data: DataCache,
        store: Store,
        executor: Executor,
        started: Callable[[Cell], None],
        finish: Finish,
        callbacks: Callbacks,
    ) -> None:
        self._cells = [CellProgress(cell, data.of(cell)) for cell in cells]
        self._store, self._executor, self._callbacks = store, executor, callbacks
        self._started, self._finish = started, finish
        self._queue: list[tuple[int, int, Task]] = []  # a heap: earlier cells, earlier stages first
        self._running: dict[Future[Result], tuple[int, Task]] = {}
        self._waiting: dict[str, list[int]] = {}  # key -> cells that wait for it, its owner first
        self._ended: dict[str, Result] = {}  # key -> what became of it

    def run(self) -> None:
        """Do everything. Raises what an executor's future raises."""
        for number in range(len(self._cells)):
            self._advance(number)
        while self._queue or self._running:
            while self._queue and len(self._running) < self._executor.slots:
                number, _, task = heapq.heappop(self._queue)
                if self._is_wanted(task):
                    self._start(number)
                    self._running[self._executor.submit(task)] = number, task
            for future in wait(self._running, return_when=FIRST_COMPLETED).done:
                number, task = self._running.pop(future)
                self._take(number, task, future.result())

    def _advance(self, number: int) -> None:
        """Find what is there, and queue what is not."""
        cell = self._cells[number]
        for stage, key in cell.ready():
            if key in self._waiting:
                self._waiting[key] += [] if number in self._waiting[key] else [number]
                continue
            result = self._ended.get(key) or self._store.find(stage.name, key)
            if result is None:
                if self._store.folder(stage.name, key).exists():
                    text = f"{stage.name}: what the store has is damaged, it is built again"
                    self._callbacks.noted(cell.cell.spec, text)
                self._waiting[key] = [number]
                task = Task(cell.cell, stage.name, {**cell.keys, stage.name: key})
                heapq.heappush(self._queue, (number, STAGES.index(stage), task))
            else:
                self._hear(number, stage, key, result, built=False)
        if cell.complete and not cell.over:
            heapq.heappush(self._queue, (number, len(STAGES), Task(cell.cell, SCORE, cell.keys)))

    def _take(self, number: int, task: Task, result: Result) -> None:
        """A task is done: tell everyone who waited for it."""
        if task.stage == SCORE:
            self._end(number, result)
            return
        key = task.keys[task.stage]
        for other in self._waiting.pop(key):
            built = isinstance(result, Artifact) and result.built and other == number
            self._hear(other, STAGE[task.stage], key, result, built=built)
            self._advance(other)

    def _hear(self, number: int, stage: Stage, key: str, result: Result, *, built: bool) -> None:
        """A cell has what it needs, or ends."""
        cell = self._cells[number]
        self._ended[key] = result
        if not isinstance(result, Artifact):
            self._end(number, result)
            return
        cell.add(stage, key, result, built=built)
        if cell.started and not cell.over:
            self._callbacks.stage_done(cell.cell.spec, stage.name, cell.costs[stage.name])

    def _start(self, number: int) -> None:
        """Announce a cell, once, with what it found ready."""
        cell = self._cells[number]
        if not cell.started:
            cell.started = True
            self._started(cell.cell)
            for stage, cost in cell.costs.items():
                self._callbacks.stage_done(cell.cell.spec, stage, cost)

    def _end(self, number: int, result: Result) -> None:
        cell = self._cells[number]
        if not cell.over and not isinstance(result, Artifact):
            self._start(number)
            cell.over = True
            self._finish(cell.cell, cell.costs, result)

    def _is_wanted(self, task: Task) -> bool:
        """Does any cell still need this? One that failed elsewhere needs nothing more."""
        key = task.keys.get(task.stage, "")
        if task.stage == SCORE or not all(self._cells[n].over for n in self._waiting[key]):
            return True
        del self._waiting[key]
        return False

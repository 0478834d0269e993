"""Tasks: each artifact is built once, whoever does them and in whatever order answers come."""

from __future__ import annotations

import pickle
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.components import CALLS, Failing, registry_of
from tests.pipeline.test_grid import context_in, run_tiny, tiny_request
from tokbench.pipeline.cell import DataCache
from tokbench.pipeline.context import Callbacks, RunContext
from tokbench.pipeline.executor import SCORE, Failed, Result, Task, Worker
from tokbench.pipeline.grid import metrics_of, run_cells
from tokbench.pipeline.resolve import resolve
from tokbench.pipeline.schedule import CellProgress
from tokbench.pipeline.store import Artifact
from tokbench.schema.record import Record

GRID: dict[str, Any] = {
    "tokenizers": ("hashed", "hashed:wide"),
    "generator_seeds": (0, 1),
    "collision_policies": ("none", "extra-token"),
    "baselines": False,  # workers here are threads, and share torch's random numbers
}


class Cluster:
    """A whole executor: tasks travel as bytes to workers that know nothing of earlier tasks."""

    slots = 3

    def __init__(self, context: RunContext) -> None:
        self.context, self.closed = context, False
        self.threads = ThreadPoolExecutor(self.slots)
        self.begun: list[Task] = []

    def submit(self, task: Task) -> Future[Result]:
        self.begun.append(task)
        return self.threads.submit(self.work, pickle.dumps(task))

    def work(self, message: bytes) -> Result:
        task = pickle.loads(message)  # noqa: S301 - bytes of our own
        return Worker(self.context, metrics_of(registry_of())).do(task)

    def close(self) -> None:
        self.closed = True
        self.threads.shutdown()


def run_on_cluster(folder: Path, *extra: Any, **fields: Any) -> tuple[list[Record], Cluster]:
    CALLS.clear()
    context, registry = context_in(folder), registry_of(*extra)
    cluster = Cluster(context)
    cells = resolve(tiny_request(**fields), registry)
    return run_cells(cells, context, registry, executor=cluster), cluster


def test_an_executor_is_one_class(tmp_path: Path) -> None:
    records, cluster = run_on_cluster(tmp_path / "cluster", **GRID)
    assert cluster.closed
    same = run_tiny(tmp_path / "here", **GRID)
    assert [r.outcome_digest() for r in records] == [r.outcome_digest() for r in same]


def test_a_task_is_small_and_none_is_done_twice(tmp_path: Path) -> None:
    records, cluster = run_on_cluster(tmp_path, **GRID)
    built = [(task.stage, task.keys[task.stage]) for task in cluster.begun if task.stage != SCORE]
    assert len(built) == len(set(built))
    stages = [stage for stage, _ in built]
    assert [stages.count(name) for name in ("embed", "tokenize", "address", "train")] == [
        1,
        2,
        4,
        8,
    ]
    assert [task.stage for task in cluster.begun].count(SCORE) == len(records) == 8
    assert max(len(pickle.dumps(task)) for task in cluster.begun) < 5_000
    costs = [record.provenance.costs for record in records]
    assert sum(not cost["tokenize"].reused for cost in costs) == 2


def test_a_task_done_twice_changes_nothing(tmp_path: Path) -> None:
    _, cluster = run_on_cluster(tmp_path, baselines=False)
    for task in cluster.begun:
        again = cluster.work(pickle.dumps(task))
        if isinstance(again, Artifact):
            assert not again.built
    assert [CALLS.count(name) for name in ("encode", "tokenize", "train", "generate")] == [1] * 4


def test_a_stage_that_fails_ends_every_cell_that_needs_it_and_is_tried_once(tmp_path: Path) -> None:
    tried: list[int] = []

    class Counted(Failing):
        name = "counted"

        def tokenize(self, catalog: Any, *, seed: int, runtime: Any) -> Any:
            tried.append(seed)
            raise ZeroDivisionError("a stranger's mistake")

    records = run_tiny(
        tmp_path,
        ("tokenizer", Counted),
        tokenizers=("counted", "hashed"),
        generator_seeds=(0, 1),
        baselines=False,
    )
    assert [record.status for record in records] == ["failed", "failed", "done", "done"]
    assert {record.error for record in records[:2]} == {records[0].error}
    assert tried == [0]


def test_what_vanishes_from_the_store_is_said(tmp_path: Path) -> None:
    _, cluster = run_on_cluster(tmp_path, baselines=False)
    (score,) = [task for task in cluster.begun if task.stage == SCORE]
    key = score.keys["address"]
    (tmp_path / "cache/store/address" / key / "arrays.npz").unlink()
    result = cluster.work(pickle.dumps(score))
    assert isinstance(result, Failed)
    assert f"address {key} was removed" in result.error


def test_a_stage_waits_for_its_inputs_alone(tmp_path: Path) -> None:
    """The measures of codes wait for no training, and a store that has them is asked."""
    (cell,) = resolve(tiny_request(baselines=False), registry_of())
    progress = CellProgress(cell, DataCache(context_in(tmp_path).runtime()).of(cell))

    def ready() -> list[str]:
        return [stage.name for stage, _ in progress.ready()]

    def add() -> None:
        stage, key = next(progress.ready())
        facts = {"digest": stage.name, "cost": {"seconds": 1.0, "peak_memory_mb": 1.0}}
        progress.add(stage, key, Artifact(tmp_path, facts, built=True), built=True)

    assert ready() == ["embed"]
    add()
    assert ready() == ["tokenize"]
    add()
    assert ready() == ["address", "measure"]
    add()
    assert ready() == ["train", "measure"]
    add()
    assert ready() == ["generate", "measure"]
    assert not progress.complete


def test_callbacks_are_called_cell_by_cell(tmp_path: Path) -> None:
    heard: list[str] = []
    callbacks = Callbacks(
        cell_started=lambda number, total, spec: heard.append(f"{number}/{total}"),
        stage_done=lambda spec, stage, cost: heard.append(stage + "+" * (not cost.reused)),
        cell_done=lambda record, path: heard.append(record.status),
    )
    registry = registry_of()
    cells = resolve(tiny_request(baselines=False, generator_seeds=(0, 1)), registry)
    run_cells(cells, context_in(tmp_path), registry, callbacks=callbacks)
    first = ["embed+", "tokenize+", "address+", "train+", "generate+", "measure+"]
    assert heard[:8] == ["1/2", *first, "done"]
    assert heard[8] == "2/2"
    assert sorted(heard[9:-1]) == sorted(
        ["embed", "tokenize", "address", "measure", "train+", "generate+"]
    )
    assert heard[-1] == "done"

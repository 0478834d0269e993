"""Executors on Ray and SLURM: the records of a serial run, and deaths that cost a retry."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.components import Failing, Hashed, registry_of
from tests.pipeline.test_grid import context_in, tiny_request
from tests.pipeline.test_processes import Killed
from tokbench.api import Runtime
from tokbench.cli import main
from tokbench.pipeline.executor import Executor
from tokbench.pipeline.grid import metrics_of, run_cells
from tokbench.pipeline.resolve import resolve
from tokbench.schema.record import Record
from tokbench.types import Catalog, SemanticIds

MARK = "TOKBENCH_TEST_DIED_BEFORE"  # a file that says so


class DiesOnce(Hashed):
    """Is killed the first time, as by a node that goes away."""

    name = "dies-once"

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        mark = Path(os.environ[MARK])
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().tokenize(catalog, seed=seed, runtime=runtime)


class Slow(Hashed):
    """Takes a second."""

    name = "slow"

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        time.sleep(1)
        return super().tokenize(catalog, seed=seed, runtime=runtime)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of three nodes of two CPUs on this machine, and a connection to it."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    os.environ[MARK] = ""  # workers inherit what is set when they start
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    added = [cluster.add_node(num_cpus=2) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    cluster.wait_for_nodes()
    yield cluster, added
    ray.shutdown()
    cluster.shutdown()


def ray_executor(folder: Path, registry: Any) -> Executor:
    from tokbench.pipeline.ray_executor import RayExecutor

    return RayExecutor(context_in(folder), metrics_of(registry))


def run_on(folder: Path, executor: Any, *extra: Any, **fields: Any) -> list[Record]:
    registry = registry_of(*extra)
    cells = resolve(tiny_request(**fields), registry, "cpu")
    made = executor(folder, registry) if executor else None
    return run_cells(cells, context_in(folder), registry, executor=made)


def test_a_ray_cluster_gives_the_records_of_a_serial_run(tmp_path: Path, nodes: Any) -> None:
    extra = ("tokenizer", Failing)
    fields = {"tokenizers": ("hashed", "failing", "hashed:wide"), "seeds": (0, 1)}
    serial = run_on(tmp_path / "serial", None, extra, **fields)
    cluster = run_on(tmp_path / "ray", ray_executor, extra, **fields)
    assert [r.run_id for r in cluster] == [r.run_id for r in serial]
    assert [r.outcome_digest() for r in cluster] == [r.outcome_digest() for r in serial]
    assert [r.error for r in cluster] == [r.error for r in serial]
    built = [not r.provenance.costs["embed"].reused for r in cluster if r.status == "done"]
    assert sum(built) == 1, "shared stages once"


def test_a_dead_worker_costs_a_retry_and_two_cost_the_cell(
    tmp_path: Path, nodes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dies(DiesOnce):  # workers have another environment: the mark travels with the class
        name = "dies-here"
        mark = str(tmp_path / "died")

        def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
            os.environ[MARK] = self.mark
            return super().tokenize(catalog, seed=seed, runtime=runtime)

    records = run_on(
        tmp_path, ray_executor, ("tokenizer", Dies), ("tokenizer", Killed),
        tokenizers=("hashed", "dies-here", "killed"), baselines=False,
    )  # fmt: skip
    assert [record.status for record in records] == ["done", "done", "failed"]
    assert (tmp_path / "died").exists()
    assert str(records[2].error).startswith("its worker died at the stage tokenize, 2 times")


def test_a_node_that_goes_away_costs_its_tasks_a_retry(tmp_path: Path, nodes: Any) -> None:
    cluster, added = nodes
    gone = added.pop()

    def leave() -> None:
        time.sleep(1.5)
        cluster.remove_node(gone, allow_graceful=False)

    thread = threading.Thread(target=leave)
    thread.start()
    records = run_on(
        tmp_path, ray_executor, ("tokenizer", Slow), tokenizers=("slow",), seeds=range(8),
        baselines=False,
    )  # fmt: skip
    thread.join()
    assert {record.status for record in records} == {"done"}
    assert len(records) == 8


def test_slurm_jobs_give_the_records_of_a_serial_run(tmp_path: Path) -> None:
    """submitit's local cluster: a process a job, files for tasks and results, as on a site."""
    pytest.importorskip("submitit")
    from tokbench.pipeline.slurm_executor import SlurmExecutor

    def executor(folder: Path, registry: Any) -> Executor:
        return SlurmExecutor(
            context_in(folder), metrics_of(registry), jobs=2, cluster="local", pause=0.1
        )

    serial = run_on(tmp_path / "serial", None, baselines=False)
    slurm = run_on(tmp_path / "slurm", executor, baselines=False)
    assert [r.outcome_digest() for r in slurm] == [r.outcome_digest() for r in serial]


def test_without_the_extra_the_command_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    for name in ("ray", "submitit"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("ray", "slurm"):
        words = ["run", "-d", "toy", "-t", "random", "-e", "tfidf", "--profile", "toy",
                 "--results", str(tmp_path / "r"), "--cache", str(tmp_path / "c")]  # fmt: skip
        assert main([*words, "--executor", name]) == 1
        assert f"pip install 'tokbench[{name}]'" in capsys.readouterr().err


def test_options_of_another_executor_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "-d", "toy", "-t", "random", "-e", "tfidf"]
    assert main([*words, "--address", "10.0.0.1:6379"]) == 2
    assert "--address is for --executor ray" in capsys.readouterr().err
    assert main([*words, "--executor", "ray", "--slurm", "partition=gpu"]) == 2
    assert "--slurm is for --executor slurm" in capsys.readouterr().err

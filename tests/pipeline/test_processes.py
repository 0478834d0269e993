"""Stages in several processes: the same records, shared stages once, deaths that spoil one cell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.components import Failing, Hashed, registry_of
from tests.pipeline.test_grid import context_in, tiny_request
from tokbench.api import Runtime
from tokbench.errors import WorkerError
from tokbench.pipeline.context import Callbacks
from tokbench.pipeline.grid import run_grid
from tokbench.pipeline.resolve import make_request
from tokbench.schema.record import Record, read_records
from tokbench.types import Catalog, SemanticIds


class Deadly(Hashed):
    """Takes its process with it."""

    name = "deadly"

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        os._exit(7)


class Killed(Hashed):
    """Is killed, as by a system that has run out of memory."""

    name = "killed"

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still alive")


class Sealed(Hashed):
    """Holds something that cannot be sent to another process."""

    name = "sealed"

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.secret = lambda: None


def run_twice(folder: Path, *extra: Any, jobs: int = 2, **fields: Any) -> list[list[Record]]:
    """In one process, and in `jobs`."""
    request, registry = tiny_request(**fields), registry_of(*extra)
    return [
        run_grid(request, context_in(folder / name), registry=registry, jobs=n, threads=1)
        for name, n in (("serial", 1), ("parallel", jobs))
    ]


def test_processes_change_no_outcome_and_share_stages(tmp_path: Path) -> None:
    """A failing cell, a plugin's own error among them, stays a value."""
    serial, parallel = run_twice(
        tmp_path,
        ("tokenizer", Failing),
        tokenizers=("hashed", "failing", "hashed:wide"),
        seeds=(0, 1),
    )
    assert [r.run_id for r in parallel] == [r.run_id for r in serial], "in the order of the cells"
    assert [r.outcome_digest() for r in parallel] == [r.outcome_digest() for r in serial]
    assert [r.status for r in parallel].count("failed") == 2
    done = [record for record in parallel if record.status == "done"]
    assert sum(not record.provenance.costs["embed"].reused for record in done) == 1
    assert {record.provenance.environment["threads"] for record in done} == {"1"}
    assert len(read_records(tmp_path / "parallel/results")) == len(serial)


def test_a_worker_that_dies_spoils_its_cell_alone(tmp_path: Path) -> None:
    heard: list[str] = []
    records = run_grid(
        tiny_request(tokenizers=("hashed", "deadly", "killed", "hashed:wide"), baselines=False),
        context_in(tmp_path),
        registry=registry_of(("tokenizer", Deadly), ("tokenizer", Killed)),
        callbacks=Callbacks(cell_done=lambda record, path: heard.append(record.run_id)),
        jobs=2,
    )
    assert [record.status for record in records] == ["done", "failed", "failed", "done"]
    died = "its worker process died at the stage tokenize"
    assert records[1].error == f"{died} (exit code 7)"
    assert str(records[2].error).startswith(f"{died} (ended by SIGKILL; memory may have run out")
    assert sorted(heard) == sorted(record.run_id for record in records)


def test_what_cannot_be_sent_is_said_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"sealed on tiny cannot be sent .* without --jobs"):
        run_grid(
            tiny_request(tokenizers=("hashed", "sealed")),
            context_in(tmp_path),
            registry=registry_of(("tokenizer", Sealed)),
            jobs=2,
        )
    assert not (tmp_path / "results").exists()


PLUGIN = '''
import time
from tokbench import Tokenizer, hookimpl

class Sleepy(Tokenizer):
    """Sleeps."""
    name = "sleepy"
    def tokenize(self, catalog, *, seed, runtime):
        time.sleep(60)

@hookimpl
def register_tokenizers():
    return [Sleepy]
'''


# A background job of a shell starts with interrupts ignored, and its children with it.
MAIN = """import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from tokbench.cli import main
sys.exit(main())"""


def start(plugin: Path, folder: Path) -> subprocess.Popen[str]:
    """A run in a session of its own, as soon as a worker is at the plugin's tokenizer."""
    words = ["run", "--plugin", str(plugin), "-t", "sleepy", "--seeds", "2", "--jobs", "2",
             "--dataset", "toy", "--encoder", "tfidf", "--no-baselines",
             "--results", str(folder / "r"), "--cache", str(folder / "c")]  # fmt: skip
    child = subprocess.Popen(
        [sys.executable, "-c", MAIN,
         *words],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert child.stderr is not None
    for line in child.stderr:
        if "embed: done" in line:  # a plugin's class has reached the worker
            break
    return child


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupt_ends_all_processes_and_leaves_the_command(tmp_path: Path) -> None:
    plugin = tmp_path / "sleepy.py"
    plugin.write_text(PLUGIN)
    child = start(plugin, tmp_path)
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does: to parent and workers
    assert child.stderr is not None
    said = child.stderr.read()
    child.stderr.close()
    assert child.wait(timeout=30) == 130
    assert "resume with:\n  tokbench run --plugin" in said
    assert "Traceback" not in said
    assert ended(child.pid)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    plugin = tmp_path / "sleepy.py"
    plugin.write_text(PLUGIN)
    child = start(plugin, tmp_path)
    child.kill()
    assert child.stderr is not None
    child.stderr.close()
    child.wait()
    assert ended(child.pid)


def ended(group: int) -> bool:
    """Is no process of the group left, multiprocessing's own tracker included?"""
    for _ in range(200):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import tokbench\n"
        "tokbench.run(tokenizers=['random'], datasets=['toy'], encoder='tfidf', jobs=2,\n"
        f"    generators=['popularity'], results={str(tmp_path / 'r')!r},\n"
        f"    cache={str(tmp_path / 'c')!r})\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "below `if __name__ == '__main__':`" in done.stderr
    assert not list((tmp_path / "r").rglob("*.json"))


def test_a_request_of_one_job_starts_no_process(tmp_path: Path) -> None:
    request = make_request(datasets=("tiny",), tokenizers=("sealed",), generators=("echo",),
                           encoder="letters", baselines=False)  # fmt: skip
    (record,) = run_grid(
        request, context_in(tmp_path), registry=registry_of(("tokenizer", Sealed)), jobs=1
    )
    assert record.status == "done"

"""A small grid that is killed, or whose disk fails, at each of its file-system events in turn.

Python announces what it is about to do with files (`sys.addaudithook`); at the n-th such event
below the run's folder the process is killed, or the event fails as on a full or a read-only disk.
Then the grid is run again as a user would, and must end with the same records, bit for bit.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.components import registry_of
from tests.pipeline.test_grid import tiny_request
from tokbench.errors import TokbenchError
from tokbench.pipeline.context import RunContext
from tokbench.pipeline.grid import run_grid
from tokbench.pipeline.store import Store
from tokbench.schema.record import read_records

EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
Act = Callable[[int], None]  # what happens at an event, by its number


def run(folder: Path) -> dict[str, str]:
    """The small grid; outcome digests by run id."""
    context = RunContext(folder / "results", folder / "cache")
    records = run_grid(
        tiny_request(tokenizers=("hashed", "hashed:wide"), baselines=False),
        context,
        registry=registry_of(),
    )
    return {record.run_id: record.outcome_digest() for record in records}


def watch(folder: Path, act: Act, *, writes_only: bool) -> list[str]:
    """Call `act` at every event below `folder` from now on; the list has them, as they come."""
    seen: list[str] = []
    within = str(folder)

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event not in EVENTS or not str(given[0]).startswith(within):
            return
        if event == "open" and writes_only:
            mode, flags = given[1], given[2] or 0
            if not (flags & WRITES or (isinstance(mode, str) and mode.strip("rbt") != "")):
                return
        seen.append(f"{event} {given[0]}")
        act(len(seen))

    sys.addaudithook(hook)
    return seen


def events_of(folder: Path, *, writes_only: bool) -> int:
    """How many events an undisturbed run has, counted in a process of its own."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        seen = watch(folder, lambda n: None, writes_only=writes_only)
        run(folder)
        os.write(writing, str(len(seen)).encode())
        os._exit(0)
    os.close(writing)
    os.wait()
    return int(os.read(reading, 100))


def disturbed(folder: Path, act: Act, *, writes_only: bool) -> str:
    """Run with `act`, in a process of its own; what was wrong with how it ended."""
    pid = os.fork()
    if pid == 0:
        code = 3
        output = os.open(os.devnull, os.O_WRONLY)
        os.dup2(output, 2)
        try:
            watch(folder, act, writes_only=writes_only)
            run(folder)
            code = 0
        except TokbenchError:
            code = 1
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return "" if code in (0, 1, -signal.SIGKILL) else f"it ended with {code}"


def after(folder: Path, expected: dict[str, str]) -> str:
    """What is wrong once the same command is given again; empty where nothing."""
    try:
        found = run(folder)
        records = {r.run_id: r.outcome_digest() for r in read_records(folder / "results")}
    except Exception as error:
        return f"running again: {type(error).__name__}: {error}"[:200]
    if found != expected or records != expected:
        return "other records than those of an undisturbed run"
    store = Store(folder / "cache/store")
    damaged = [one for one in store.artifacts() if store.find(*one) is None]
    return f"{len(damaged)} damaged artifacts" if damaged else ""


def fail(number: int, code: int, *, from_then_on: bool) -> Act:
    """An act that raises an OSError at an event, or from it on."""

    def act(n: int) -> None:
        if n == number or (from_then_on and n > number):
            raise OSError(code, os.strerror(code))

    return act


def kill(number: int) -> Act:
    """An act that kills the process at an event."""

    def act(n: int) -> None:
        if n == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return act


PARTS: dict[str, tuple[bool, Callable[[int], Act]]] = {
    "killed at an event": (False, kill),
    "disk full at an event": (True, lambda n: fail(n, errno.ENOSPC, from_then_on=False)),
    "disk full from an event on": (True, lambda n: fail(n, errno.ENOSPC, from_then_on=True)),
    "read-only from an event on": (True, lambda n: fail(n, errno.EROFS, from_then_on=True)),
}


def measure(folder: Path, part: str, every: int = 1) -> tuple[int, list[str]]:
    """(how many events were tried, what went wrong)."""
    writes_only, act = PARTS[part]
    expected = run(folder / "undisturbed")
    total = events_of(folder / "counted", writes_only=writes_only)
    faults, numbers = [], range(1, total + 1, every)
    for number in numbers:
        place = folder / "run"
        shutil.rmtree(place, ignore_errors=True)
        found = disturbed(place, act(number), writes_only=writes_only) or after(place, expected)
        if found:
            faults.append(f"{part}, event {number}: {found}")
    return len(numbers), faults


class NoLock:
    """A lock that everybody holds, as some network file systems have it."""

    def __init__(self, *given: object) -> None: ...
    def __enter__(self) -> NoLock:
        return self

    def __exit__(self, *error: object) -> None: ...


def without_locks(folder: Path, rounds: int, writers: int = 3) -> tuple[int, list[str]]:
    """Several processes run the same grid in one folder at once, where locks do nothing."""
    import filelock

    expected = run(folder / "undisturbed")
    faults = []
    for number in range(rounds):
        place = folder / "run"
        shutil.rmtree(place, ignore_errors=True)
        pids: list[int] = []
        for _ in range(writers):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    filelock.FileLock = NoLock  # type: ignore[assignment]
                    code = int(run(place) != expected)
                finally:
                    os._exit(code)
            pids.append(pid)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        found = f"writers ended with {codes}" if any(codes) else after(place, expected)
        if found:
            faults.append(f"without locks, round {number}: {found}")
    return rounds, faults

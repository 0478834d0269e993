"""A process that forks one more for each job, and ends that one with all that it started.

It imports what components need and never a plugin, so every job begins in a clean interpreter
within milliseconds. It is started by client.py with one socket: a line of json for each job comes
in, a line about its end goes out. When the socket closes it ends whatever is under way, and itself.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokbench.errors import plain
from tokbench.registry.isolated import sandbox
from tokbench.registry.isolated.work import work

TAIL = 2000  # bytes of what a job printed that are kept for its error
SHOWN = 1 << 20  # bytes of it that are passed on to the terminal
OFTEN = 0.1  # seconds between looks at time and memory


@dataclass
class _Said:
    """What a job prints: passed on, its end kept."""

    tail: bytes = b""
    shown: int = 0

    def add(self, part: bytes) -> None:
        self.tail = (self.tail + part)[-TAIL:]
        if self.shown < SHOWN:
            self.shown += len(part)
            sys.stderr.write(_text(part))
            sys.stderr.flush()


def main() -> None:
    """Serve the socket whose descriptor is the first argument, until it closes."""
    link = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    sandbox.adopt_orphans()
    sys.stdin.close()
    lines = link.makefile("rb")
    for line in lines:
        given = json.loads(line)
        if given["torch"] and "torch" not in sys.modules:
            import torch  # noqa: F401  (for the jobs to come; it takes seconds)
        reply = _do(Path(given["folder"]), given["seconds"], given["megabytes"], link)
        link.sendall(json.dumps(reply).encode() + b"\n")


def _do(folder: Path, seconds: float, megabytes: float, link: socket.socket) -> dict[str, Any]:
    """Fork a process for the job in `folder`; how it ended."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's threads are idle, and it expects a fork
        pid = os.fork()
    if pid == 0:
        work(folder, output=writing)
    os.close(writing)
    said, over, started = _Said(), "", time.monotonic()
    status: int | None = None
    open_pipe = True
    while status is None:
        watched: list[Any] = [link, reading] if open_pipe else [link]
        ready = select.select(watched, [], [], OFTEN)[0]
        if link in ready and not link.recv(1, socket.MSG_PEEK):
            _end_all()
            os._exit(1)
        if reading in ready:
            part = os.read(reading, 1 << 16)
            open_pipe = bool(part)
            said.add(part)
        ended, found = os.waitpid(pid, os.WNOHANG)
        if ended:
            status = found
        elif seconds and time.monotonic() - started > seconds:
            over = "time"
        elif megabytes and _memory_mb() > megabytes:
            over = "memory"
        if over:
            os.kill(pid, signal.SIGKILL)
            status = os.waitpid(pid, 0)[1]
    _end_all()
    _drain(reading, said)
    code = os.waitstatus_to_exitcode(status)
    return {"code": code, "over": over, "said": _text(said.tail)}


def _drain(reading: int, said: _Said) -> None:
    """What is left in the pipe."""
    while select.select([reading], [], [], 0)[0]:
        part = os.read(reading, 1 << 16)
        if not part:
            break
        said.add(part)
    os.close(reading)


def _end_all() -> None:
    """Kill every process below this one. Their children become ours as they end, so look again
    until there is none."""
    while True:
        for pid in _below(os.getpid()):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _below(root: int) -> list[int]:
    """The processes that descend from `root`."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            parent = int(entry.read_text(errors="replace").rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(entry.parent.name))
    found, waiting = list[int](), [root]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def _memory_mb() -> float:
    """Memory of all processes below this one that no file backs, in MB."""
    total = 0
    for pid in _below(os.getpid()):
        with suppress(OSError, ValueError):
            for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines():
                if line.startswith(("RssAnon:", "RssShmem:")):
                    total += int(line.split()[1])
    return total / 1024


def _text(part: bytes) -> str:
    return plain(part.decode("utf-8", errors="replace"))


if __name__ == "__main__":
    main()

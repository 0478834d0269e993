"""Sends jobs to a process that runs third-party code, and says in words how one ended.

`ask` is all that others need. One server (server.py) serves a process; it is started when the first
job comes, and again after anything went wrong with it.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokbench.errors import ConfigError, DatasetError, PluginError, TokbenchError, one_line
from tokbench.registry.isolated.answers import Answer, read_answer
from tokbench.registry.isolated.work import Job, send

GRACE = 30.0  # seconds after its time is up until a server that says nothing is ended
OWN: dict[str, type[TokbenchError]] = {"ConfigError": ConfigError, "DatasetError": DatasetError}
START = "from tokbench.registry.isolated.server import main; main()"
# Where libraries keep what they download; a plugin may write there, and in what
# TOKBENCH_PLUGIN_WRITES names (folders with : between them).
DOWNLOADS = ("~/.cache/huggingface", "~/.cache/torch", "~/.triton")


@dataclass(frozen=True)
class Limits:
    """Of third-party code at one stage; 0 is no limit."""

    seconds: float = 24 * 3600.0
    megabytes: float = 0.0


def can_isolate() -> bool:
    """Can this system fork? Where it cannot (Windows), plugins are loaded as before."""
    return hasattr(os, "fork")


def use_limits(limits: Limits) -> None:
    """The limits of jobs from now on."""
    _state.limits = limits


def ask(job: Job, *, seconds: float | None = None) -> Answer:
    """The answer to a job. One that ends by a signal is tried once more.

    Raises PluginError saying what became of it, ConfigError or DatasetError where the plugin did.
    """
    what = f"{job.kind} {job.name!r}" if job.name else f"plugin {job.source.plugin}"
    limits = _state.limits if seconds is None else replace(_state.limits, seconds=seconds)
    job = replace(job, writable=_writable(job))
    with _state.lock:
        try:
            answer, end = _try(job, limits)
            if answer is None and end.get("code", 0) < 0 and not end.get("over"):
                answer, end = _try(job, limits)
        except PluginError as error:
            raise PluginError(f"{what}: {error}") from error
    if answer is None:
        raise PluginError(f"{what}: its process {_cause(end, limits)}")
    if not isinstance(answer.told, dict) or "error" in answer.told:
        told = answer.told if isinstance(answer.told, dict) else {}
        kind = OWN.get(str(told.get("class")), PluginError)
        said = str(told.get("error", "its answer cannot be read"))
        named = kind is not PluginError or job.name in said.partition(":")[0]
        raise kind(one_line(said if named else f"{what}: {said}"))
    _state.torch |= answer.told.get("torch") is True
    return answer


class _Server:
    """The other end of server.py."""

    def __init__(self, threads: str, paths: tuple[str, ...]) -> None:
        self.made_for = threads, paths
        ours, theirs = socket.socketpair()
        once = {name: threads for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if threads}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", START, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **once, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
        )
        theirs.close()
        self._link, self._lines = ours, ours.makefile("rb")

    def do(self, folder: Path, limits: Limits, *, torch: bool) -> dict[str, Any]:
        """How the job in `folder` ended: `code`, `over` (which limit), `said`."""
        asked = {"folder": str(folder), "torch": torch, "seconds": limits.seconds,
                 "megabytes": limits.megabytes}  # fmt: skip
        self._link.settimeout(limits.seconds + GRACE if limits.seconds else None)
        self._link.sendall(json.dumps(asked).encode() + b"\n")
        line = self._lines.readline()
        if not line:
            raise ConnectionError("closed")
        found: dict[str, Any] = json.loads(line)
        return found

    def end(self) -> None:
        """Kill it, and with it what it runs."""
        with suppress(OSError):
            self._link.close()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class _State:
    """Of this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.server: _Server | None = None
        self.owner = os.getpid()
        self.limits = Limits()
        self.torch = False  # has a job needed it? Then the server imports it, once for all


_state = _State()


@atexit.register
def end_server() -> None:
    """End the server of this process, if there is one."""
    server, _state.server = _state.server, None
    if server is not None and _state.owner == os.getpid():
        server.end()


def _try(job: Job, limits: Limits) -> tuple[Answer | None, dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="tokbench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        send(job, folder)
        try:
            end = _server().do(folder, limits, torch=_state.torch)
        except (OSError, ValueError):
            end_server()
            return None, {"code": 0, "over": "server"}
        except BaseException:  # an interrupt: what runs must not run on
            end_server()
            raise
        return (read_answer(folder) if end["code"] == 0 else None), end


def _server() -> _Server:
    made_for = _threads(), tuple(path for path in sys.path if path)
    if _state.owner != os.getpid():  # forked: the server is the parent's
        _state.server, _state.owner = None, os.getpid()
    if _state.server is not None and _state.server.made_for != made_for:
        end_server()
    if _state.server is None:
        _state.server = _Server(*made_for)
    return _state.server


def _threads() -> str:
    """As many as this process works with."""
    torch = sys.modules.get("torch")
    return str(torch.get_num_threads()) if torch else os.environ.get("OMP_NUM_THREADS", "")


def _writable(job: Job) -> tuple[Path, ...]:
    named = os.environ.get("TOKBENCH_PLUGIN_WRITES", "").split(os.pathsep)
    texts = [*DOWNLOADS, *filter(None, [*named, os.environ.get("HF_HOME", "")])]
    if job.cache is not None:
        with suppress(OSError):
            job.cache.mkdir(parents=True, exist_ok=True)
    return (*(Path(text).expanduser() for text in texts), *filter(None, [job.cache]))


def _cause(end: dict[str, Any], limits: Limits) -> str:
    """How a process ended that left no answer."""
    said = one_line(str(end.get("said", "")).strip().rpartition("\n")[2])
    last = f"; the last it printed: {said}" if said else ""
    if end["over"] == "time":
        return (
            f"took longer than {limits.seconds:g} s and was ended (--cell-seconds sets the limit)"
        )
    if end["over"] == "memory":
        return f"used more than {limits.megabytes:g} MB and was ended (--cell-memory)"
    if end["over"] == "server":
        return "and the one that watches it were ended from outside, or did not answer"
    code = int(end["code"])
    if code >= 0:
        return f"ended with exit code {code} and without a result{last}"
    with suppress(ValueError):
        return f"was ended twice by {signal.Signals(-code).name}{memory_hint(code)}{last}"
    return f"was ended twice by signal {-code}{last}"


def memory_hint(code: int) -> str:
    """What SIGKILL often means."""
    return "; memory may have run out" if code == -signal.SIGKILL else ""

"""Plugins that misbehave, each beside innocent rows: is a row, an artifact or a process of somebody
else's harmed?

Every kind runs in a process of its own with a copy of one prepared cache; its innocent rows are
compared with those of a run without the plugin, and so are those of a second run from the cache
that the plugin has seen.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.reliability.kinds import (
    AT_WORK,
    HARMLESS,
    LIMITED,
    OF_GENERATOR,
    OF_METRIC,
    source,
)
from tokbench.pipeline.context import RunContext
from tokbench.pipeline.grid import run_grid
from tokbench.pipeline.resolve import Request, make_request
from tokbench.registry.isolated.client import Limits
from tokbench.registry.isolated.isolated import isolated_registry
from tokbench.schema.record import Record, read_records

MARK = "TOKBENCH_TORTURE"
INNOCENT = ("random", "random:unique")
LIMITS = Limits(seconds=8.0, megabytes=1500.0)


def request(tokenizers: Sequence[str], generators: Sequence[str] = ("popularity",)) -> Request:
    """A few rows on the toy catalogue."""
    return make_request(
        datasets="toy", encoder="tfidf", profile="toy", tokenizers=tokenizers,
        generators=generators, baselines=False,
    )  # fmt: skip


def prepare(folder: Path) -> dict[str, str]:
    """A cache with the innocent rows' embeddings, and the rows' digests by run id."""
    context = RunContext(folder / "results", folder / "cache")
    records = run_grid(request(INNOCENT), context, registry=isolated_registry(entry_points=False))
    for artifact in (folder / "cache/store").iterdir():  # what a cell has to do is done again
        if artifact.name not in ("embed", "locks"):
            shutil.rmtree(artifact)
    return {record.run_id: record.outcome_digest() for record in records}


def harmed_by(kind: str, prepared: Path, expected: dict[str, str], folder: Path, jobs: int) -> str:
    """What a plugin of that kind did to others; empty where nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(prepared / "cache", folder / "cache")
    plugin = folder / "bad_plugin.py"
    plugin.write_text(source(kind, str(folder / "cache/store"), str(folder / "results")))
    (folder / "said").unlink(missing_ok=True)
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _run(kind, plugin, folder, jobs)
    status = None
    while status is None:
        found, code = os.waitpid(pid, os.WNOHANG)
        status = os.waitstatus_to_exitcode(code) if found else None
        if status is None and time.monotonic() - started > 600:
            os.kill(pid, 9)
        time.sleep(0.05)
    time.sleep(0.2)
    faults = [*_faults(kind, expected, folder, status)]
    left = _marked(str(folder))
    if left:
        faults.append(f"{len(left)} processes outlived the run")
        for survivor in left:
            os.kill(survivor, 9)
    return "; ".join(faults)


def _run(kind: str, plugin: Path, folder: Path, jobs: int) -> None:
    """In a process of its own: the grid with the plugin, then again without."""
    code = 1
    try:
        os.environ[MARK] = str(folder)
        os.environ["TOKBENCH_PLUGIN_SECONDS"] = "5"
        output = os.open(folder / "said", os.O_CREAT | os.O_WRONLY)
        os.dup2(output, 1)
        os.dup2(output, 2)
        registry = isolated_registry([plugin], entry_points=False)
        tokenizers: tuple[str, ...] = INNOCENT
        generators: tuple[str, ...] = ("popularity",)
        if kind in AT_WORK and registry.names("tokenizer").count("bad"):
            tokenizers = ("bad", *INNOCENT)
        if kind in OF_GENERATOR:
            generators = ("bad", "popularity")
        context = RunContext(folder / "results", folder / "cache", limits=LIMITS)
        run_grid(request(tokenizers, generators), context, registry=registry, jobs=jobs, threads=1)
        shutil.rmtree(folder / "cache/store/tokenize/none", ignore_errors=True)
        plain = isolated_registry(entry_points=False)
        again = RunContext(folder / "again", folder / "cache")
        run_grid(request(INNOCENT), again, registry=plain, threads=1)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        from tokbench.registry.isolated.client import end_server

        end_server()
        os._exit(code)


def _faults(kind: str, expected: dict[str, str], folder: Path, status: int) -> Iterator[str]:
    if status:
        said = (folder / "said").read_text(errors="replace").strip().splitlines()
        yield f"the run ended with {status}: {said[-1] if said else 'nothing said'}"[:300]
        return
    for results in ("results", "again"):
        try:
            records = {record.run_id: record for record in read_records(folder / results)}
        except Exception as error:
            yield f"{results} cannot be read: {error}"[:300]
            continue
        for run_id, digest in expected.items():
            if run_id not in records:
                yield f"{results}: an innocent row is missing"
            elif records[run_id].outcome_digest() != digest:
                yield f"{results}: an innocent row is another: {records[run_id].error}"[:300]
        own = [record for run_id, record in records.items() if run_id not in expected]
        yield from _own_faults(kind, own, results)


def _own_faults(kind: str, own: list[Record], results: str) -> Iterator[str]:
    """Of the plugin's own rows: one that cannot be done is failed, and says why in a line."""
    for record in own:
        error = record.error or ""
        if len(error) > 3000 or not error.isprintable():
            yield f"{results}: its error is no line of text"
    if kind in AT_WORK | OF_GENERATOR and results == "results":
        if not own:
            yield "its own row is missing"
        elif not kind.startswith(HARMLESS) and any(record.status == "done" for record in own):
            yield "its own row is done"


def _marked(mark: str) -> list[int]:
    """Processes that still run with the mark of a run in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def measure(folder: Path, kinds: Sequence[str], jobs: int) -> dict[str, str]:
    """kind -> what it harmed, with a line printed for each."""
    prepared = folder / "prepared"
    expected = prepare(prepared)
    found = {}
    for kind in kinds:
        started = time.monotonic()
        found[kind] = harmed_by(kind, prepared, expected, folder / "kind", jobs)
        seconds = time.monotonic() - started
        print(f"jobs {jobs}  {kind:30s} {seconds:5.1f} s  {found[kind] or 'ok'}", flush=True)
    return found


__all__ = ["LIMITED", "OF_METRIC", "measure"]

if __name__ == "__main__":
    from benchmarks.reliability.kinds import ALL

    wanted = [kind for kind in ALL if not sys.argv[3:] or kind in sys.argv[3:]]
    print(json.dumps(measure(Path(sys.argv[1]), wanted, int(sys.argv[2])), indent=1))

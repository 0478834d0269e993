"""Records that were spoilt at random, through every command that reads records, and those that were
falsified with care, through `verify`.

A command may leave a record out or end with a line and a status; it may not end in an exception
that was not foreseen, write where it should not, or take long.
"""

from __future__ import annotations

import io
import json
import random
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from tests.pipeline.test_grid import run_tiny
from tokbench.cli import main
from tokbench.report.reports import REPORTS
from tokbench.verify.verify import verify

PATIENCE = 60  # seconds of a command
EVIL: tuple[Any, ...] = (
    None, True, -1, 0, 2**31 - 1, 2**31, 2**63, 10**400, 1e308, -1e-300, "", "x" * 10**5, "/../..",
    "\x1b[2J", "=1+1", "<script>", "NaN", "Infinity", "AAAA", [], {}, [[]], [None], {"a": {}},
    [2**31, 2**31], [-1], "0" * 64,
)  # fmt: skip


def commands(results: Path, out: Path) -> list[list[str]]:
    """Every command that reads records."""
    folder = str(results)
    return [
        *(["report", name, folder] for name in REPORTS),
        ["report", folder, "--format", "csv"],
        ["report", folder, "--format", "html"],
        ["report", "site", folder, "--out", str(out)],
        ["compare", "hashed/none/echo", "item-id/none/bigram", "-d", "tiny", "--results", folder],
        ["power", folder],
        ["ids", "export", "0", "--results", folder],
        ["verify", folder],
    ]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something can be put, in a json value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(
        value, list) else ()  # fmt: skip
    for key in keys:
        yield (*path, key)
        yield from places(value[key], (*path, key))


def spoilt(text: str, chance: random.Random) -> str:
    """A record's text with one to three faults: a value replaced or removed, or bytes."""
    if chance.random() < 0.15:
        letters = list(text)
        for _ in range(chance.randint(1, 20)):
            letters[chance.randrange(len(letters))] = chr(chance.randrange(1, 256))
        return "".join(letters)
    data = json.loads(text)
    if chance.random() < 0.9:
        data.pop("digest", None)  # or nothing gets past the first check
    for _ in range(chance.randint(1, 3)):
        *path, last = chance.choice(list(places(data)))
        parent = data
        for key in path:
            parent = parent[key]
        if chance.random() < 0.2 and isinstance(parent, dict):
            del parent[last]
        else:
            parent[last] = chance.choice(EVIL)
    if chance.random() < 0.7:
        _rename_run(data)
    return json.dumps(data)


def _rename_run(data: Any) -> None:
    """The run id of the spec as it is now, so that the record gets further."""
    from tokbench.schema.run_spec import canonical_digest

    try:
        data["run_id"] = canonical_digest(data["spec"])[:12]
    except (KeyError, TypeError, ValueError):
        return


def called(words: list[str]) -> str:
    """What was wrong with how a command ended; empty where nothing."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"more than {PATIENCE} s")

    out, err = io.StringIO(), io.StringIO()
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(PATIENCE)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            status = main(words)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:200]
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    said = err.getvalue()
    if "not foreseen" in said or "TimeoutError" in said:
        return said.strip().splitlines()[-1][:200]
    if "\x1b" in out.getvalue() + said:
        return "an escape sequence was printed"
    return "" if isinstance(status, int) else f"status {status!r}"


def prepare(folder: Path) -> Path:
    """A small results folder: two policies and the baselines."""
    run_tiny(folder, collision_policies=("none", "extra-token"))
    return folder / "results"


def fuzz(folder: Path, number: int, seed: int) -> tuple[int, list[str]]:
    """`number` spoilt records, each through every command: (calls, what went wrong)."""
    honest, chance = prepare(folder / "honest"), random.Random(seed)
    faults, calls = [], 0
    for n in range(number):
        results = folder / "spoilt/results"
        shutil.rmtree(folder / "spoilt", ignore_errors=True)
        shutil.copytree(honest, results)
        paths = sorted(results.rglob("*.json"))
        path = chance.choice(paths)
        path.write_text(spoilt(path.read_text(), chance), errors="replace")
        for words in commands(results, folder / "spoilt/site"):
            calls += 1
            found = called(words)
            if found:
                kept = folder / f"fault-{seed}-{n}.json"
                shutil.copy(path, kept)
                faults.append(f"{' '.join(words[:2])}: {found} ({kept})")
        strays = {one.name for one in (folder / "spoilt").iterdir()} - {"results", "site"}
        if strays:
            faults.append(f"written elsewhere: {strays}")
    return calls, faults


def falsifications(folder: Path) -> tuple[int, list[str]]:
    """Every falsification of tests/verify/test_verify.py: (tried, those that were not found)."""
    from tests.verify import test_verify as known

    honest = prepare(folder)
    bigram = "item-id_none_bigram*.json"
    table: dict[str, tuple[Callable[[Any], object], str]] = {
        **{f"figure: {name}": (change, "*hashed_none*.json")
           for name, (change, _) in known.TAMPERED.items()},
        **{f"bits: {name}": (change, bigram) for name, (change, _) in known.BITS.items()},
        **{f"across: {name}": (change, "*hashed_none*.json")
           for name, (change, _) in known.CROSSED.items()},
    }  # fmt: skip
    missed = []
    for name, (change, pattern) in table.items():
        with tempfile.TemporaryDirectory() as place:
            results = Path(shutil.copytree(honest, Path(place) / "results"))
            path = next(results.rglob(pattern))
            data = json.loads(path.read_text())
            change(data)
            data.pop("digest", None)
            path.write_text(json.dumps(data))
            if not verify(results):
                missed.append(name)
    with tempfile.TemporaryDirectory() as place:
        results = Path(shutil.copytree(honest, Path(place) / "results"))
        known.other_seed(results)
        if not verify(results):
            missed.append("a copy for another seed")
    return len(table) + 1, missed

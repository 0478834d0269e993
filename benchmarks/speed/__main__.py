"""`python -m benchmarks.speed`: measure everything on this machine and write results.md and .json.

    python -m benchmarks.speed                     every measurement, in turn
    python -m benchmarks.speed kmeans decoding     some of them
    python -m benchmarks.speed --quick             fewer rounds, smaller sizes: a try, not a table

Peers come with `pip install -e '.[speed]'`; a measurement whose peer is absent says so. Run it on a
machine that does nothing else. Each measurement runs in a process of its own.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.speed.harness import Row, hardware

HERE = Path(__file__).parent
SHARED = ("__init__", "__main__", "harness")


def names() -> list[str]:
    """Every measurement: a module of this folder with `measure(quick: bool) -> list[Row]`."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in SHARED)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"some of: {', '.join(names())}")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # in the child process
    asked = parser.parse_args()
    if asked.one:
        rows = importlib.import_module(f"benchmarks.speed.{asked.one}").measure(asked.quick)
        json.dump([asdict(row) for row in rows], sys.stdout)
        return 0
    unknown = sorted(set(asked.names) - set(names()))
    if unknown:
        parser.error(f"no measurement {', '.join(unknown)}; there are {', '.join(names())}")
    before = HERE / "results.json"  # the rows of measurements that are not run now
    found = json.loads(before.read_text()) if asked.names and before.exists() else {}
    failed = []
    for name in asked.names or names():
        print(f"{name} ...", file=sys.stderr, flush=True)
        began = time.perf_counter()
        command = [sys.executable, "-m", "benchmarks.speed", "--one", name]
        done = subprocess.run(
            [*command, *(["--quick"] if asked.quick else [])], stdout=subprocess.PIPE, text=True
        )
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
        if done.returncode:
            print(f"{name}: failed with exit code {done.returncode}", file=sys.stderr)
            failed.append(name)
            continue
        rows = json.loads(done.stdout.splitlines()[-1])
        found[name] = {"hardware": hardware(), "rows": rows}
        if not asked.quick:  # after each, so that a later failure loses nothing
            (HERE / "results.json").write_text(json.dumps(found, indent=1) + "\n")
            (HERE / "results.md").write_text(table(found))
    print(table(found))
    return 1 if failed else 0


def table(found: dict[str, Any]) -> str:
    """Every row as markdown, by measurement."""
    about = "ratio: how often faster ours is, median of interleaved rounds, with its range."
    lines = ["# Speed", "", f"Written by `python -m benchmarks.speed`. {about}", ""]
    for name, part in sorted(found.items()):
        lines += [
            f"## {name}",
            "",
            ", ".join(f"{k} {v}" for k, v in part["hardware"].items()),
        ]
        lines += ["", "| work | against | ours | theirs | ratio | range | floor | aim | note |"]
        lines += ["|" + " --- |" * 9]
        for row in (Row(**fields) for fields in part["rows"]):
            floor = "" if row.floor is None else f"{row.floor:g}" + ("" if row.holds else " MISSED")
            aim = "" if row.aim is None else f"{row.aim:g}"
            lines.append(
                f"| {row.work} | {row.against} | {row.ours:.4g} {row.unit} | {row.theirs:.4g} | "
                f"{row.ratio:.2f} | {row.low:.2f}-{row.high:.2f} | {floor} | {aim} | {row.note} |"
            )
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())

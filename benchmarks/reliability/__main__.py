"""Run every part and write results.md: `python -m benchmarks.reliability [--scale 0.1]`.

`--scale` is the share of the full size; `--only PART` repeats one part and keeps the results of the
others. Status 1 where anything failed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.reliability import faults, kinds, misbehaving, records
from tokbench.pipeline.environment import describe

PAGE = Path(__file__).parent / "results.md"
KEPT = Path(__file__).parent / "results.json"
Tried = tuple[int, list[str]]


def plugins(folder: Path, scale: float, jobs: int) -> Tried:
    """Kinds of misbehaviour; at a small scale every so-manieth."""
    chosen = kinds.ALL[:: max(1, round(1 / min(scale, 1.0)))]
    found = misbehaving.measure(folder, chosen, jobs)
    return len(found), [f"{kind}: {said}" for kind, said in found.items() if said]


def parts(scale: float) -> dict[str, Callable[[Path], Tried]]:
    """Name -> what to do in an empty folder."""
    every = max(1, round(1 / min(scale, 1.0)))
    return {
        "misbehaving plugins, one job": lambda folder: plugins(folder, scale, 1),
        "misbehaving plugins, two jobs": lambda folder: plugins(folder, scale, 2),
        "spoilt records, through every command": lambda folder: records.fuzz(
            folder, max(1, round(5000 * scale)), seed=0
        ),
        "falsified records": records.falsifications,
        **{name: partial(faults.measure, part=name, every=every) for name in faults.PARTS},
        "three writers, locks that do nothing": lambda folder: faults.without_locks(
            folder, max(2, round(100 * scale))
        ),
    }


def main() -> int:
    """Run, print, and write what came out of each part beside what others gave earlier."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", action="append", default=[])
    given = parser.parse_args()
    made_on = describe("cpu")
    machine = ", ".join(
        [
            made_on["device"],
            f"{len(os.sched_getaffinity(0))} cores",
            made_on["system"],
            f"Python {made_on['python']}",
        ]
    )
    failed = 0
    for name, part in parts(given.scale).items():
        if given.only and name not in given.only:
            continue
        folder = Path(tempfile.mkdtemp(prefix="tokbench-torture-"))
        started = time.monotonic()
        tried, found = part(folder)
        if not found:
            shutil.rmtree(folder, ignore_errors=True)
        failed += len(found)
        row = {"tried": tried, "failures": found, "seconds": round(time.monotonic() - started),
               "scale": given.scale, "date": datetime.date.today().isoformat(),
               "machine": machine}  # fmt: skip
        print(f"| {name} | {tried:,} | {len(found)} |", *found, sep="\n  ", flush=True)
        keep(name, row)
    return 1 if failed else 0


def keep(name: str, row: dict[str, Any]) -> None:
    """Put the result of a part into results.json, and write the page of them all."""
    known = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}
    known[name] = row
    KEPT.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    order = [part for part in parts(1.0) if part in known]
    lines = ["# Reliability", "", "Written by `make torture`; README.md says what each part does. "
             "Scale: the share of the full size.", "",
             "| part | tried | failures | minutes | scale | date |",
             "| --- | ---: | ---: | ---: | ---: | --- |"]  # fmt: skip
    for part in order:
        one = known[part]
        lines.append(
            f"| {part} | {one['tried']:,} | {len(one['failures'])} | {one['seconds'] / 60:.1f} | "
            f"{one['scale']:g} | {one['date']} |"
        )
    machines = sorted({known[part]["machine"] for part in order})
    faults_found = [f"- {part}: {one}" for part in order for one in known[part]["failures"]]
    text = "\n".join([*lines, "", f"Machine: {'; '.join(machines)}.", "", *faults_found])
    PAGE.write_text(text.rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

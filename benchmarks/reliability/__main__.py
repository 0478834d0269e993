"""Run every part and write results.md: `python -m benchmarks.reliability [--scale 0.1]`.

`--scale` is the share of the full size; `--only PART` repeats one part. Status 1 where anything
failed.
"""

from __future__ import annotations

import argparse
import datetime
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.reliability import faults, kinds, misbehaving, records
from tokbench.pipeline.environment import cores, describe

PAGE = Path(__file__).parent / "results.md"
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
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    rows, failed = [], []
    for name, part in parts(given.scale).items():
        if given.only and name not in given.only:
            continue
        folder = Path(tempfile.mkdtemp(prefix="tokbench-torture-"))
        started = time.monotonic()
        tried, found = part(folder)
        if not found:
            shutil.rmtree(folder, ignore_errors=True)
        failed += found
        rows.append((name, tried, len(found), time.monotonic() - started))
        print("| {} | {:,} | {} | {:.0f} s |".format(*rows[-1]), *found, sep="\n  ", flush=True)
    made_on = describe("cpu")
    machine = ", ".join(
        [made_on["device"], f"{cores()} cores", made_on["system"], f"Python {made_on['python']}"]
    )
    lines = [
        "# Reliability",
        "",
        "Written by `make torture` (`python -m benchmarks.reliability`); README.md says what each "
        "part does.",
        "",
        f"{datetime.date.today().isoformat()}, scale {given.scale:g}. {machine}.",
        "",
        "| part | tried | failures | time |",
        "| --- | ---: | ---: | ---: |",
        *("| {} | {:,} | {} | {:.0f} s |".format(*row) for row in rows),
        "",
    ]
    given.page.write_text("\n".join([*lines, *(f"- {one}" for one in failed)]), encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

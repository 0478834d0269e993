"""Time and peak memory of making, importing and preparing data, over size.

    python benchmarks/data_scale/measure.py > benchmarks/data_scale/README.md

Each step is a process of its own, on synthetic twins of Office (L) (16,696 users, 37,347 items,
about 140,000 interactions) at growing scales. `prepare` reads a twin in the official Amazon 2014
layout: a ratings csv and a gzipped file of Python literals.
"""

from __future__ import annotations

import gzip
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCALES = (1, 3, 10)


def timed(words: list[str]) -> tuple[float, float]:
    """Wall seconds and peak resident MB of one command."""
    start = time.perf_counter()
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(words)}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def write_official(twin: Path, raw: Path) -> None:
    """The twin as Amazon 2014 files: user,item,rating,timestamp and one literal per item."""
    raw.mkdir()
    with (
        (twin / "sequences.jsonl").open(encoding="utf-8") as rows,
        (raw / "ratings_Office_Products.csv").open("w", encoding="utf-8") as out,
    ):
        for line in rows:
            row = json.loads(line)
            for position, item in enumerate(row["item_ids"]):
                out.write(f"{row['user_id']},{item},5.0,{1_300_000_000 + 86_400 * position}\n")
    with (
        (twin / "items.jsonl").open(encoding="utf-8") as rows,
        gzip.open(raw / "meta_Office_Products.json.gz", "wt", encoding="utf-8") as out,
    ):
        for line in rows:
            item = json.loads(line)
            literal = {
                "asin": item["item_id"],
                "title": item["title"],
                "categories": [["Office Products"]],
            }
            out.write(repr(literal) + "\n")


def main() -> None:
    tokbench = str(Path(sys.executable).with_name("tokbench"))
    print("# Data at scale\n")
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, one run.")
    print("Made by `python benchmarks/data_scale/measure.py`.\n")
    print("| step | scale | interactions | seconds | peak MB | seconds per million |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        for scale in SCALES:
            folder = Path(name) / str(scale)
            folder.mkdir()
            twin, raw = folder / "synthetic-office", folder / "raw"
            steps = {
                "synth": [tokbench, "data", "synth", "--like", "office-l", "--scale", str(scale),
                          "--out", str(twin)],
                "check": [tokbench, "data", "check", str(twin)],
                "prepare": [tokbench, "data", "prepare", "office-l", "--raw", str(raw), "--out",
                            str(folder / "prepared")],
            }  # fmt: skip
            for step, words in steps.items():
                if step == "prepare":
                    write_official(twin, raw)
                seconds, peak = timed(words)
                with (twin / "sequences.jsonl").open(encoding="utf-8") as rows:
                    events = sum(len(json.loads(row)["item_ids"]) for row in rows)
                print(
                    f"| {step} | {scale} | {events:,} | {seconds:.1f} | {peak:.0f} "
                    f"| {1e6 * seconds / events:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()

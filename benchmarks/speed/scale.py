"""Cost against size: seconds and peak memory over 10^3..10^6 items and users, and the growth law.

Each size runs in a process of its own, whose peak is therefore its own. Memory is what the system
cannot take back (RssAnon). Pages of the mapped table come on top while there is room: they belong
to the file, are dropped when memory is asked for, and are given in the note. A row's ratio is the
time that linear growth from the size before would have taken, over the time it took; the note has
the slope of log seconds over log size for all sizes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.speed.catalogue.embeddings import DIM, write_table
from benchmarks.speed.harness import Row
from tokbench.api import Runtime, Tokenizer
from tokbench.generators.bigram import Bigram
from tokbench.pipeline import stages
from tokbench.scoring.metrics import recall
from tokbench.scoring.placement import place
from tokbench.tokenizers.cost import Cost
from tokbench.tokenizers.hierarchical_kmeans import HierarchicalKMeans
from tokbench.types import Catalog, Histories, Queries, SemanticIds, Sequences

SIZES = (1_000, 10_000, 100_000, 1_000_000)
LIMIT_GB = 8.0  # of host memory, for a million items
Work = Callable[[], object]


def measure(quick: bool) -> list[Row]:
    """A row for every work and size, and one for the memory of the largest."""
    sizes = SIZES[:2] if quick else SIZES
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.npy"
        write_table(path, sizes[-1])
        for name, (title, _) in WORKS.items():
            found = [in_child(name, size, path) for size in sizes]
            rows += growth(title, sizes, found)
            if "items" in title and not quick:
                rows.append(memory(title, sizes[-1], found[-1]))
    return rows


def in_child(name: str, size: int, path: Path) -> dict[str, float]:
    """Seconds and peak gigabytes of the work in a fresh process."""
    print(f"scale: {name}, {size}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "benchmarks.speed.scale", name, str(size), str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def growth(title: str, sizes: tuple[int, ...], found: list[dict[str, float]]) -> list[Row]:
    """Seconds of each size against linear growth from the one before."""
    seconds = [each["seconds"] for each in found]
    slope = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
    rows = []
    for at, size in enumerate(sizes):
        linear = seconds[at - 1] * size / sizes[at - 1] if at else seconds[0]
        ratio = linear / seconds[at]
        note = f"slope {slope:.2f}; peak {described(found[at])}"
        rows.append(
            Row(
                title.format(size),
                "linear growth",
                "s",
                seconds[at],
                linear,
                *(ratio,) * 3,
                note=note,
            )
        )
    return rows


def memory(title: str, size: int, found: dict[str, float]) -> Row:
    """How often the peak fits into the limit."""
    ratio = LIMIT_GB / found["anonymous"]
    work = f"peak memory of {title.format(size)}"
    return Row(
        work, f"{LIMIT_GB:g} GB", "GB", found["anonymous"], LIMIT_GB, *(ratio,) * 3, 1.0,
        note=described(found),
    )  # fmt: skip


def described(found: dict[str, float]) -> str:
    """The peaks in words."""
    return f"{found['anonymous']:.2f} GB, with mapped pages {found['resident']:.2f} GB"


class Peak:
    """The highest RssAnon and VmRSS of this process in gigabytes, looked up every 20 ms (Linux)."""

    def __init__(self) -> None:
        self.found = {"RssAnon": 0.0, "VmRSS": 0.0}
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self) -> None:
        while not self.stop.wait(0.02):
            self.look()

    def look(self) -> None:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name in self.found:
                self.found[name] = max(self.found[name], int(value.split()[0]) / 2**20)

    def __enter__(self) -> Peak:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.look()
        self.stop.set()
        self.thread.join()


def tokenizing(tokenizer: Tokenizer, size: int, path: Path) -> Work:
    """Codes of the first `size` items of the mapped table."""
    table = np.asarray(np.load(path, mmap_mode="r"))[:size]
    names = tuple(map(str, range(size)))
    catalog = Catalog(names, names, table)
    return lambda: stages.tokenize(catalog, tokenizer, 0, Runtime())


def kmeans(size: int, path: Path) -> Work:
    return tokenizing(HierarchicalKMeans.of(levels=4), size, path)


def cost(size: int, path: Path) -> Work:
    options = {"epochs": 1, "minimum_steps": 0, "minimum_distinct": 0.0}
    return tokenizing(Cost.of(**options), size, path)


def users(size: int, path: Path) -> Work:
    """Bigram's beams of 50 for so many users over 10,000 items, placed and scored."""
    rng, items = np.random.default_rng(0), 10_000
    codes = np.stack([np.arange(items) // 400, np.arange(items) // 20 % 20, np.arange(items) % 20])
    ids = SemanticIds(codes.T.astype(np.int32), (25, 20, 20))
    offsets = np.concatenate([[0], np.cumsum(rng.integers(2, 16, size))])
    histories = Sequences(offsets, rng.integers(0, items, offsets[-1]))
    test = Queries(np.arange(size), histories, rng.integers(0, items, size))
    names = tuple(map(str, range(items)))
    catalog = Catalog(names, names, np.zeros((items, 2), np.float32))
    none = Queries(np.zeros(0, np.int64), Sequences.of([]), np.zeros(0, np.int64))

    def work() -> None:
        seen = Histories(histories, none)
        state = stages.train(catalog, seen, ids, Bigram.of(), 0, Runtime())
        beams = stages.generate(Bigram.of(), state, ids, test.histories, 50, Runtime())
        recall(place(beams, ids, test.targets), 10)

    return work


WORKS: dict[str, tuple[str, Callable[[int, Path], Work]]] = {
    "kmeans": (f"hierarchical-kmeans, {{:,}} items x {DIM}, K 64, 4 levels", kmeans),
    "cost": (f"cost, {{:,}} items x {DIM}, one epoch", cost),
    "users": ("bigram, {:,} users: train, beam 50, place, score", users),
}


def main() -> None:
    """In the child process: one work at one size."""
    name, size, path = sys.argv[1:]
    work = WORKS[name][1](int(size), Path(path))
    with Peak() as peak:
        start = time.perf_counter()
        work()
        seconds = time.perf_counter() - start
    found = peak.found
    print(
        json.dumps({"seconds": seconds, "anonymous": found["RssAnon"], "resident": found["VmRSS"]})
    )


if __name__ == "__main__":
    main()

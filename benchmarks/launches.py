"""What a GPU would be asked to do, counted on a CPU: python -m benchmarks.launches

A step of training at the sizes of the tests, on the pretend device (tests/pretend): the launches
that the host makes, the kernels that run (those inside of graphs too), what is uploaded, and how
often the host waits in an epoch. The counts are the program's, the same on every machine. Beside
them, measured here: host milliseconds to cut a batch of a set as large as MIND's.
"""

from __future__ import annotations

import time

import numpy as np

import tests.pretend.install  # noqa: F401 # before anything of tokbench.nn
from tests.pretend.test_generators import GENERATORS, run
from tokbench.nn.transformer.collator import Collator
from tokbench.nn.transformer.windows import prefix_windows

ADAM = "aten._fused_adamw_.default"
HEAD = (
    "| generator | launches by the host a step | kernels a step | uploads a step | waits an epoch |"
)


def row(name: str) -> str:
    """The second epoch of three, which records and validates nothing."""
    first, second, _ = run(name, "pretend").epochs
    steps = second.launches[ADAM] - first.launches[ADAM]
    launched = second.from_host - first.from_host
    replays = second.replays - first.replays
    kernels = launched - replays + second.replayed - first.replayed
    uploads = sum((second.uploads - first.uploads).values())
    waits = sum((second.waits - first.waits).values())
    return (
        f"| {name} | {launched / steps:.0f} | {kernels / steps:.0f} | {uploads / steps:.1f} "
        f"| {waits} |"
    )


def cutting(windows: int = 500_000, batch: int = 256, steps: int = 20) -> float:
    """Milliseconds of the host to make a batch of micro-batches."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 20, windows // 10)
    items = rng.integers(0, 12_000, lengths.sum())
    tokens = rng.integers(1, 200, (12_000, 3))
    found = prefix_windows(np.append(0, np.cumsum(lengths)), 20)
    collator = Collator(items, tokens, causal=False, budget=2**16, overhead=4096)
    drawn = [rng.integers(0, len(found), batch) for _ in range(steps)]
    list(collator.micro_batches(found, drawn[0]))
    began = time.process_time()
    for rows in drawn:
        list(collator.micro_batches(found, rows))
    return 1000 * (time.process_time() - began) / steps


if __name__ == "__main__":
    print(HEAD)
    print("|---|--:|--:|--:|--:|")
    for each in GENERATORS:
        print(row(each), flush=True)
    print(f"\nHost ms to cut a batch of 256 out of 500,000 windows: {cutting():.2f}")

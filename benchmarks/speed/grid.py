"""A whole grid with shared stages and several jobs, against its cells one by one.

Five tokenizers x 3 seeds on the toy catalogue. Theirs is what a script per experiment does: each
cell in a fresh process with an empty store, so that each starts up, reads, embeds and trains anew.
One round is 15 processes of theirs and needs no warming up, since nothing stays warm.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.speed.harness import Row, compare, seconds
from tokbench.schema.record import read_records

TOKENIZERS = ("random", "rqvae", "cost", "cost:with-reconstruction", "hierarchical-kmeans")
RUN = ("run", "--dataset", "toy", "--encoder", "tfidf", "--profile", "toy", "--no-baselines",
       "--set", "generator.epochs=4")  # fmt: skip


def measure(quick: bool) -> list[Row]:
    """Cells per second of the two ways, with a job per core and at least two."""
    tokenizers, seeds = (TOKENIZERS[:2], (0, 1)) if quick else (TOKENIZERS, (0, 1, 2))
    jobs = max(2, min(os.cpu_count() or 1, 8))

    def ours() -> None:
        _run(tokenizers, seeds, jobs)

    def theirs() -> None:
        for tokenizer in tokenizers:
            for seed in seeds:
                _run([tokenizer], [seed], jobs=1)

    return [
        compare(
            f"{len(tokenizers)} tokenizers x {len(seeds)} seeds on toy, --jobs {jobs}",
            "the same cells one by one, fresh processes, no shared stages",
            [(seconds(ours), seconds(theirs))],
            amount=len(tokenizers) * len(seeds),
            unit="cells/s",
            floor=1.5,
            aim=3.0,
            note="start-up of the processes counts for both; every cell has one thread",
        )
    ]


def _run(tokenizers: Sequence[str], seeds: Sequence[int], jobs: int) -> None:
    """A grid in a new process with an empty store. Raises RuntimeError when a cell fails."""
    with tempfile.TemporaryDirectory() as folder:
        words = [word for name in tokenizers for word in ("--tokenizer", name)]
        words += [word for seed in seeds for word in ("--seed", str(seed))]
        words += ["--jobs", str(jobs), "--results", f"{folder}/results", "--cache", f"{folder}/c"]
        program = "from tokbench.cli import main; raise SystemExit(main())"
        done = subprocess.run(
            [sys.executable, "-c", program, *RUN, *words],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr)
        found = len(read_records(Path(folder) / "results"))
        assert found == len(tokenizers) * len(seeds), found

"""Outcome digests of fixed cells: proof that a change of code moved no number.

    python -m benchmarks.same_numbers > before.json     # at the commit before the change
    python -m benchmarks.same_numbers > after.json      # at the commit after it, same machine
    diff before.json after.json

Every built-in tokenizer, generator and collision policy on the toy catalogue, and, where
TOKBENCH_DATA is set, two cells and a temporal board on office-5core. One thread, nothing taken from
a store. A digest covers the spec, every figure and every user's placement. Processors round
differently: compare files made on one machine only.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import tokbench

TOKENIZERS = ["random", "random:unique", "rqvae", "cost", "cost:with-reconstruction"]
TREES = ["hierarchical-kmeans", "hierarchical-kmeans:balanced"]
TOY: dict[str, Any] = {"datasets": ["toy"], "encoder": "tfidf", "profile": "toy", "threads": 1}
GRIDS: list[dict[str, Any]] = [
    {**TOY, "tokenizers": TOKENIZERS + TREES},
    {
        **TOY,
        "tokenizers": ["rqvae"],
        "collision_policies": ["none", "extra-token", "sinkhorn"],
        "baselines": False,
    },
    {**TOY, "tokenizers": ["cost"], "generators": ["sasrec"], "baselines": False},
]
REAL: dict[str, Any] = {
    "datasets": ["office-5core"],
    "encoder": "minilm",
    "profile": "quick",
    "generators": ["tiger"],
    "threads": 1,
    "overrides": ["tiger.epochs=2"],
}
REALS: list[dict[str, Any]] = [
    {**REAL, "tokenizers": ["cost", "hierarchical-kmeans"], "baselines": False},
    {**REAL, "tokenizers": ["random"], "protocol": "temporal"},
]


def digests() -> dict[str, str]:
    """A digest per cell, by what names the cell."""
    grids = [*GRIDS, *REALS] if os.environ.get("TOKBENCH_DATA") else GRIDS
    found = {}
    for grid in grids:
        with tempfile.TemporaryDirectory() as folder:
            records = tokbench.run(
                **grid, results=Path(folder) / "results", cache=Path(folder) / "cache"
            )
        for record in records:
            spec = record.spec
            parts = (spec.dataset.label, spec.protocol, spec.tokenizer.label)
            name = " ".join([*parts, spec.collision_policy, spec.generator.label])
            found[name] = record.outcome_digest()
    return found


if __name__ == "__main__":
    json.dump(digests(), sys.stdout, indent=1)
    sys.stdout.write("\n")

"""Cells computed again: the check that no falsification of a record survives, whatever else fits.

On the same kind of machine with the same versions a cell comes out the same, bit for bit. Elsewhere
sums round differently, so another outcome is then no proof: it is told, and not counted.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tokbench.errors import TokbenchError
from tokbench.pipeline.again import run_again
from tokbench.pipeline.context import RunContext
from tokbench.registry.registry import Registry
from tokbench.schema.record import Record
from tokbench.verify.cross import MACHINE


@dataclass(frozen=True)
class Rerun:
    """What became of a cell that was computed again: `verdict` is "same", "other", or "unknown"
    where nothing can be said."""

    file: Path
    verdict: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


def rerun(
    records: Mapping[Path, Record], number: int, seed: int, registry: Registry, context: RunContext
) -> Iterator[Rerun]:
    """`number` completed records, drawn by `seed`, each computed again from nothing."""
    done = [path for path, record in sorted(records.items()) if record.outcome is not None]
    for path in random.Random(seed).sample(done, min(number, len(done))):
        with tempfile.TemporaryDirectory(prefix="tokbench-again-") as folder:
            try:
                again = run_again(records[path], registry, context, Path(folder) / "run")
                yield compared(path, records[path], again)
            except TokbenchError as error:
                yield Rerun(path, "unknown", f"cannot be run again here: {error}")


def compared(path: Path, record: Record, again: Record) -> Rerun:
    """What two records of one spec say of the first."""
    if record.outcome_digest() == again.outcome_digest():
        return Rerun(path, "same", "came out the same, bit for bit")
    if record.outcome is None or again.outcome is None:
        return Rerun(path, "other", f"failed when it was run again: {again.error}")
    before, after = record.provenance.environment, again.provenance.environment
    here = [f"{name} {before.get(name)} then, {after.get(name)} now"
            for name in MACHINE if before.get(name) != after.get(name)]  # fmt: skip
    stages = [name for name, digest in record.outcome.digests.items()
              if again.outcome.digests.get(name) != digest]  # fmt: skip
    figures = [f"{name} {record.outcome.figures[name].value:.6f} in the record, "
               f"{again.outcome.figures[name].value:.6f} now"
               for name in ("recall@10", "ndcg@10")]  # fmt: skip
    said = f"came out differently, from {stages[0] if stages else 'the figures'} on: " + "; ".join(
        figures
    )
    if here:
        return Rerun(path, "unknown", f"{said}; no proof, for it was made with {', '.join(here)}")
    return Rerun(path, "other", said)

"""Can a record be worked with? Its arrays have the shapes and ranges that it says itself.

Whether its figures are true is the question of tokbench/verify/; a report only has to rely on what
it reads.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np

from tokbench.errors import RecordError
from tokbench.schema.record import Outcome, Packed, Record
from tokbench.scoring.metrics import CUTOFFS

DIGEST = re.compile(r"[0-9a-f]{64}")
ARRAYS = {"position", "ahead", "group"}
HEADLINES = [f"{metric}@{k}" for metric in ("recall", "ndcg") for k in CUTOFFS]


def check(record: Record) -> None:
    """Raises RecordError with the first thing that is wrong."""
    for reason in faults(record):
        raise RecordError(reason)


def faults(record: Record) -> Iterator[str]:
    """What is wrong, in words; later checks rely on earlier ones, so stop at the first."""
    outcome = record.outcome
    if (record.status == "done") != (outcome is not None):
        yield f"status is {record.status}, and an outcome is {'there' if outcome else 'absent'}"
    if (record.status == "failed") != bool(record.error):
        yield f"status is {record.status}, and an error is {'there' if record.error else 'absent'}"
    for stage, cost in record.provenance.costs.items():
        if not (math.isfinite(cost.seconds) and cost.seconds >= 0):
            yield f"the stage {stage[:60]!r} took {cost.seconds} seconds"
    if outcome is not None:
        yield from _outcome_faults(record, outcome)


def _outcome_faults(record: Record, outcome: Outcome) -> Iterator[str]:
    for name in {"dataset", "split", *outcome.digests}:
        if not DIGEST.fullmatch(outcome.digests.get(name, "")):
            yield f"the digest of {name[:60]!r} is missing or malformed"
    for name, figure in outcome.figures.items():
        values = [value for value in (figure.value, figure.low, figure.high) if value is not None]
        bounded = figure.low is not None and figure.high is not None
        if len(values) == 2 or (name.startswith(("recall@", "ndcg@")) and not bounded):
            yield f"the figure {name[:60]!r} has no interval"
        if not all(map(math.isfinite, values)):
            yield f"the figure {name[:60]!r} is {figure.value}, from {figure.low} to {figure.high}"
    for name in HEADLINES:
        if name not in outcome.figures:
            yield f"the figure {name} is missing"
    if set(outcome.placement) != ARRAYS:
        yield f"placement holds {sorted(outcome.placement)[:5]}, not {sorted(ARRAYS)}"
    users, items, levels = outcome.users, outcome.items, len(outcome.level_sizes)
    width = record.spec.beam_width
    queries = (users,)
    if outcome.owners is not None:  # a user has several
        queries = (math.prod(outcome.owners.shape),)
        yield from _array_faults("owners", outcome.owners, queries, 0, users - 1)
    yield from _array_faults("position", outcome.placement["position"], queries, -1, width - 1)
    yield from _array_faults("ahead", outcome.placement["ahead"], queries, -1, items - 1)
    yield from _array_faults("group", outcome.placement["group"], queries, 1, items)
    yield from _array_faults("codes", outcome.codes, (items, levels), 0, max(outcome.level_sizes))
    if outcome.raw_codes is not None:
        before = outcome.raw_codes.shape[-1] if outcome.raw_codes.shape else 0
        if not 1 <= before <= levels:
            yield f"raw_codes have {before} levels, the codes {levels}"
        yield from _array_faults("raw_codes", outcome.raw_codes, (items, before), 0, None)
    for name, packed in (outcome.queries or {}).items():
        yield from _array_faults(name, packed, queries, -1, None)
    for name, each, shape in (
        ("item_frequency", outcome.item_frequency, (items,)),
        ("millibits", outcome.millibits, queries),
    ):
        if each is not None:
            yield from _array_faults(name, each, shape, 0, None)


def _array_faults(
    name: str, packed: Packed, shape: tuple[int, ...], low: int, high: int | None
) -> Iterator[str]:
    if packed.shape != shape:
        yield f"{name[:60]} has the shape {list(packed.shape)}, not {list(shape)}"
    values = packed.array()
    if not values.size:
        return
    least, most = int(np.min(values)), int(np.max(values))
    if least < low or (high is not None and most > high):
        limit = "" if high is None else f" to {high}"
        yield f"{name[:60]} goes from {least} to {most}, allowed is {low}{limit}"

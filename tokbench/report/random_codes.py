"""What duplicate rates are to be read against: those of codes drawn at random."""

from __future__ import annotations

from collections.abc import Sequence

from tokbench.schema.record import Record
from tokbench.scoring.intrinsic.usage import random_reference


def random_duplicates(records: Sequence[Record]) -> tuple[tuple[str, float], ...]:
    """(shape of the codes, duplicate rate expected of random ones) for every shape in use.

    Codes that number the items have no collisions to compare and are left out.
    """
    shapes = {shape for record in records if (shape := _shape(record))}
    return tuple(
        (
            f"{' x '.join(map(str, sizes))} codes for {items} items",
            random_reference(items, sizes)["random/duplicate_rate"],
        )
        for items, sizes in sorted(shapes)
    )


def _shape(record: Record) -> tuple[int, tuple[int, ...]] | None:
    """(items, level sizes before the policy)."""
    outcome = record.outcome
    if outcome is None:
        return None
    sizes = outcome.level_sizes
    if outcome.raw_codes is not None:
        sizes = sizes[: outcome.raw_codes.shape[1]]
    elif record.spec.collision_policy == "extra-token":
        sizes = sizes[:-1]
    numbers = len(sizes) == 1 and sizes[0] >= outcome.items
    return None if numbers else (outcome.items, sizes)

"""Do the facts of queries, the raw codes and the intrinsic figures of a record hold together?

The second half of `verify`, for what records have since they keep facts of their queries. What
follows from the record is counted again (tokbench/verify/recount.py); what needs embeddings or
sequences, which a record does not hold, can only be asked to lie in its range.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from tokbench.schema.record import QUERY_FACTS, SIZES, Outcome, Record
from tokbench.types import Placement
from tokbench.verify import recount

EXACT = 1e-9  # two ways to add the same numbers differ by less
SHARES = ("intrinsic/knn/", "intrinsic/purity/", "intrinsic/random/", "intrinsic/adjacent/equal",
          "decoding/")  # fmt: skip


def fact_reasons(record: Record, outcome: Outcome, placement: Placement) -> Iterator[str]:
    """What is wrong, in words; nothing for a record of an earlier version, which has no facts."""
    if outcome.queries is None:
        if any(name.startswith(("intrinsic/", "decoding/")) for name in outcome.figures):
            yield "intrinsic or decoding figures without the facts of the queries"
        return
    if set(outcome.queries) != set(QUERY_FACTS):
        yield f"facts of queries are {sorted(outcome.queries)}, not {sorted(QUERY_FACTS)}"
        return
    facts = {name: packed.array() for name, packed in outcome.queries.items()}
    for name, values in facts.items():
        if values.shape != (len(placement),):
            yield f"{name} has {list(values.shape)} values for {len(placement)} queries"
            return
    yield from _frequency_reasons(record, outcome, facts["target_frequency"].tolist())
    lengths = facts["history_length"]
    if (lengths < 0).any():
        yield "histories of negative length"
    if record.spec.protocol == "leave-one-out":
        expected = outcome.interactions - outcome.users
        if lengths.sum() != expected:
            yield f"histories hold {lengths.sum()} items, leave-one-out leaves {expected}"
    if not set(facts["same_day"].tolist()) <= {-1, 0, 1}:
        yield "same_day is neither 1, 0 nor -1"
    yield from _decoding_reasons(outcome, placement, facts["shared_prefix"].tolist())
    yield from _raw_reasons(outcome)
    yield from _size_reasons(outcome)


def owners_of(outcome: Outcome) -> list[int] | None:
    """The user of each query; None where every user has one."""
    owners = outcome.read_owners()
    return None if owners is None else owners.tolist()


def _frequency_reasons(record: Record, outcome: Outcome, targets: list[int]) -> Iterator[str]:
    if outcome.item_frequency is None:
        yield "no frequencies of items beside the facts of queries"
        return
    counts = outcome.item_frequency.array().tolist()
    if len(counts) != outcome.items:
        yield f"{len(counts)} frequencies for {outcome.items} items"
    if any(later > earlier for earlier, later in pairwise(counts)) or min(counts, default=0) < 0:
        yield "frequencies of items do not fall, or fall below 0"
    strange = sorted(set(targets) - set(counts))
    if strange:
        yield f"targets with frequencies that no item has: {strange[:5]}"
    expected = outcome.interactions - 2 * outcome.users
    if record.spec.protocol == "leave-one-out" and sum(counts) != expected:
        yield f"{sum(counts)} training interactions, leave-one-out leaves {expected}"


def _decoding_reasons(outcome: Outcome, placement: Placement, longest: list[int]) -> Iterator[str]:
    levels = len(outcome.level_sizes)
    if min(longest) < 0 or max(longest) > levels:
        yield f"shared_prefix outside 0..{levels}"
    hits = (placement.position >= 0).tolist()
    wrong = sum((length == levels) != hit for length, hit in zip(longest, hits, strict=True))
    if wrong:
        yield f"shared_prefix and position disagree for {wrong} queries"
    owners = owners_of(outcome)
    for level in range(1, levels + 1):
        share = recount.share([length >= level for length in longest], owners)
        yield from _compared(outcome, f"decoding/survival/level{level}", share)


def _raw_reasons(outcome: Outcome) -> Iterator[str]:
    raw = outcome.read_raw_ids()
    if raw is None:
        yield "the policy changed the codes, and the raw codes are missing"
        return
    if raw.digest() != outcome.digests.get("tokenize"):
        yield "the digest of the raw codes is not that of the tokenize stage"
    if ((raw.codes < 0) | (raw.codes >= np.asarray(raw.level_sizes))).any():
        yield "raw codes lie outside their level sizes"
        return
    for name, value in recount.collisions(raw).items():
        if name in ("duplicate_rate", "items_in_collision"):
            yield from _compared(outcome, f"raw/{name}", value)
    if any(name.startswith("intrinsic/") for name in outcome.figures):
        for name, value in recount.usage(raw).items():
            yield from _compared(outcome, f"intrinsic/{name}", value)
    for name, figure in outcome.figures.items():
        if not math.isfinite(figure.value):
            yield f"{name} is {figure.value}"
        if name.startswith(SHARES) and not -EXACT <= figure.value <= 1 + EXACT:
            yield f"{name} is {figure.value!r}, not a share"


def _size_reasons(outcome: Outcome) -> Iterator[str]:
    sizes = outcome.sizes or {}
    strange = sorted(set(sizes) - set(SIZES))
    if strange or any(value < 0 for value in sizes.values()):
        yield f"sizes are unknown or negative: {strange or sizes}"
    if sizes.get("tokens_per_item") != len(outcome.level_sizes):
        yield f"tokens_per_item is {sizes.get('tokens_per_item')}, not {len(outcome.level_sizes)}"


def _compared(outcome: Outcome, name: str, value: float) -> Iterator[str]:
    figure = outcome.figures.get(name)
    if figure is None or not abs(figure.value - value) <= EXACT * max(1.0, abs(value)):
        found = None if figure is None else figure.value
        yield f"{name} is {found!r}, its own data say {value!r}"

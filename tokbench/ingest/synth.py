"""Synthetic twins for load tests: the size of a published dataset, times a factor, no more.

A twin has the users, items, shortest, longest and mean sequence of Table 1. Lengths fall off
geometrically between the bounds (the paper's medians are not aimed at: that of Office (L) cannot
be, 12 with mean 8.38 and minimum 5). Popularity is 1 / (rank + HEAD). Every item occurs, and no
user takes one twice. Who takes what is chance, so no method can learn anything from a twin.

Users are made in blocks, each from a random stream of its own: memory does not grow with the size.
Legend: U users, N items, T interactions; b, t users and interactions of a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tokbench.api import Progress, Quiet
from tokbench.datasets.layout import ITEMS, SEQUENCES
from tokbench.datasets.toy import COLOURS, MATERIALS, NEIGHBOURHOODS, SIZES
from tokbench.errors import ConfigError
from tokbench.ingest.interactions import Statistics
from tokbench.ingest.official.official import official
from tokbench.ingest.official.recipe import Published
from tokbench.ingest.writing import json_line, open_for_lines, refuse_existing, written_at_once
from tokbench.types import Ints

LIKE = ("mind", "office-s", "office-l", "office-5core")
BLOCK = 8_192  # users made at a time
HEAD = 20  # ranks over which popularity is nearly flat
FIRST_DAY, LAST_START, MEAN_GAP = 11_000, 15_500, 30.0  # days since 1970, and between two items
PER_BRAND = 20  # items of a brand
README = """# {name}: synthetic

Made by `tokbench data synth --like {like} --scale {scale:g} --seed {seed}` for load tests.
Users, items and texts are invented, and which user took which item is chance: **results on this
folder measure time and memory, never quality.**

| | this folder | {where}, times {scale:g} |
|---|---|---|
| users | {made.users} | {users:g} |
| items | {made.items} | {items:g} |
| interactions | {made.interactions} | |
| shortest | {made.shortest} | {shape.shortest} |
| longest | {made.longest} | {shape.longest} |
| mean | {made.mean} | {shape.mean} |
| median | {made.median} | not aimed at |
"""


@dataclass(frozen=True)
class Plan:
    """What a twin is to be."""

    users: int
    items: int
    shortest: int
    longest: int
    mean: float
    seed: int


def synthesize(
    like: str, out: Path, *, scale: float = 1.0, seed: int = 0, progress: Progress | None = None
) -> Statistics:
    """Write a twin of the dataset `like`, `scale` times its users and items, to the folder `out`.

    Raises ConfigError for an unknown shape, a scale that leaves too few items, or a folder that
    does not say `synthetic`: results carry the folder's name.
    """
    shape = _shape(like)
    plan = _plan(shape, scale, seed)
    if "synthetic" not in out.name.lower():
        raise ConfigError(
            f"folder {out.name!r}: its name must contain 'synthetic', because results carry it; "
            f"for instance {default_name(like, scale)}"
        )
    refuse_existing(out)
    progress = progress or Quiet()
    with written_at_once(out) as folder:
        _write_items(folder / ITEMS, plan.items, like)
        made = _write_users(folder / SEQUENCES, plan, progress)
        text = README.format(
            name=out.name, like=like, scale=scale, seed=seed, made=made, shape=shape,
            where=shape.where, users=shape.users * scale, items=shape.items * scale,
        )  # fmt: skip
        (folder / "README.md").write_text(text, encoding="utf-8")
    return made


def default_name(like: str, scale: float) -> str:
    """What the folder of a twin is called unless the user says otherwise."""
    return f"synthetic-{like}-x{scale:g}"


def _shape(like: str) -> Published:
    if like not in LIKE:
        raise ConfigError(f"no shape {like!r}; allowed: {', '.join(LIKE)}")
    return official(like).published


def _plan(shape: Published, scale: float, seed: int) -> Plan:
    assert shape.shortest is not None and shape.longest is not None
    if not 0 < scale <= 10_000:
        raise ConfigError(f"scale is {scale}; allowed: above 0, up to 10000")
    users, items = round(shape.users * scale), round(shape.items * scale)
    if users < 2 or items < 2 * shape.longest:
        raise ConfigError(
            f"scale {scale:g} leaves {users} users and {items} items; sequences of up to "
            f"{shape.longest} items need at least {2 * shape.longest}"
        )
    return Plan(users, items, shape.shortest, shape.longest, shape.mean, seed)


def _write_items(path: Path, items: int, like: str) -> None:
    with open_for_lines(path) as file:
        for n in range(items):
            file.write(json_line(item_row(n, items, like)))


def item_row(n: int, items: int, like: str) -> dict[str, object]:
    """Item n of a catalogue: a different title for each, and the fields of the original."""
    rest, place = divmod(n, len(NEIGHBOURHOODS))
    category, kind = NEIGHBOURHOODS[place]
    colour, material = COLOURS[rest % len(COLOURS)], MATERIALS[category][rest % 5]
    size = SIZES[rest // len(COLOURS) % len(SIZES)]
    title = f"Synthetic {colour} {material} {kind}, {size}, no. {n}"
    row: dict[str, object] = {"item_id": f"item-{n}", "title": title}
    if like == "mind":
        return row | {"category": category, "subcategory": kind}
    brand = f"Synthetic brand {n % max(items // PER_BRAND, 1)}"
    return row | {"brand": brand, "type": category, "categories": [category, kind.capitalize()]}


def _write_users(path: Path, plan: Plan, progress: Progress) -> Statistics:
    histogram = np.zeros(plan.longest + 1, np.int64)  # users of each length
    first = 0
    with (
        open_for_lines(path) as file,
        progress.track("make users", total=plan.users) as advance,
    ):
        for offsets, items, days in _blocks(plan):
            histogram += np.bincount(np.diff(offsets), minlength=len(histogram))
            ids = [f"item-{n}" for n in items.tolist()]
            times = days.tolist()
            rows = zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
            for u, (start, end) in enumerate(rows, first):
                file.write(json_line({
                    "user_id": f"user-{u}", "item_ids": ids[start:end], "days": times[start:end],
                }))  # fmt: skip
            advance(len(offsets) - 1)
            first += len(offsets) - 1
    lengths = np.flatnonzero(histogram)
    total = int(histogram @ np.arange(len(histogram)))
    return Statistics(
        users=plan.users,
        items=plan.items,
        interactions=total,
        shortest=int(lengths.min()),
        longest=int(lengths.max()),
        mean=round(total / plan.users, 3),
        median=_median(histogram),
    )


def _median(histogram: Ints) -> float:
    below = np.cumsum(histogram)
    middle = [(below[-1] - 1) // 2, below[-1] // 2]
    return float(np.searchsorted(below, middle, side="right").mean())


def _blocks(plan: Plan) -> Iterator[tuple[Ints, Ints, Ints]]:
    """(offsets [b + 1], items [t], days [t]) of each block of users."""
    shares = _length_shares(plan)
    starts = range(0, plan.users, BLOCK)
    sizes = [min(BLOCK, plan.users - start) for start in starts]
    total = sum(int(_lengths(shares, plan, size, n == 0).sum()) for n, size in enumerate(sizes))
    made = 0
    for n, size in enumerate(sizes):
        dice = np.random.default_rng([plan.seed, n])
        lengths = _lengths(shares, plan, size, n == 0)[np.argsort(dice.random(size))]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        # Interactions made so far, of T, say how many of the N items have had their turn.
        turn = np.arange(
            plan.items * made // total, plan.items * (made + int(offsets[-1])) // total
        )
        made += int(offsets[-1])
        yield offsets, _items(offsets, turn, plan, dice), _days(offsets, dice)


def _length_shares(plan: Plan) -> NDArray[np.float64]:
    """Share of users of each length, shortest to longest: geometric, with the plan's mean."""
    from scipy.optimize import brentq

    steps = np.arange(plan.longest - plan.shortest + 1)

    def shares(log_ratio: float) -> NDArray[np.float64]:
        weights = np.exp(log_ratio * steps)
        normalized: NDArray[np.float64] = weights / weights.sum()
        return normalized

    def excess(log_ratio: float) -> float:
        return float(shares(log_ratio) @ steps) + plan.shortest - plan.mean

    return shares(brentq(excess, -20.0, 1.0))


def _lengths(shares: NDArray[np.float64], plan: Plan, size: int, first: bool) -> Ints:
    """Lengths of a block's users in rising order, evenly spread quantiles of `shares` [b].

    The first block has a user of the shortest and one of the longest.
    """
    quantiles = (np.arange(size) + 0.5) / size
    lengths = plan.shortest + np.searchsorted(np.cumsum(shares)[:-1], quantiles).astype(np.int64)
    if first:
        lengths[0], lengths[-1] = plan.shortest, plan.longest
    return lengths


def _items(offsets: Ints, turn: Ints, plan: Plan, dice: np.random.Generator) -> Ints:
    """What each user of the block takes, [t]: items whose turn it is, the rest by popularity."""
    user = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    owed = np.zeros(len(user), np.bool_)
    owed[np.argsort(dice.random(len(user)))[: len(turn)]] = True
    popular = HEAD * ((plan.items + HEAD) / HEAD) ** dice.random(len(user)) - HEAD
    rank = np.minimum(popular.astype(np.int64), plan.items - 1)
    rank[owed] = _scattered(turn, plan.items, 0.382)
    item = _scattered(rank, plan.items, 0.618)
    while len(again := _repeats(user, item, owed, plan.items)):
        item[again] = (dice.random(len(again)) * plan.items).astype(np.int64)
    return item


def _scattered(numbers: Ints, items: int, part: float) -> Ints:
    """Each number in [0, N) to another, one to one, so that neighbours end up far apart."""
    step = max(int(items * part), 1)
    while gcd(step, items) > 1:
        step += 1
    return (numbers * step + items // 3) % items


def _repeats(user: Ints, item: Ints, owed: NDArray[np.bool_], items: int) -> Ints:
    """Positions of items that their user has already; never one that is owed."""
    key = user * items + item
    order = np.lexsort((~owed, key))
    again: Ints = order[1:][np.diff(key[order]) == 0]
    return again


def _days(offsets: Ints, dice: np.random.Generator) -> Ints:
    """A day for each interaction, rising along each user's sequence, [t]."""
    lengths = np.diff(offsets)
    gaps = (-MEAN_GAP * np.log1p(-dice.random(int(offsets[-1])))).astype(np.int64)
    since = np.cumsum(gaps)
    start = FIRST_DAY + (dice.random(len(lengths)) * (LAST_START - FIRST_DAY)).astype(np.int64)
    return since - np.repeat(since[offsets[:-1]] - start, lengths)

"""For whom does a method work? Recall@10 and NDCG@10 of parts of the test users.

Everything follows from the record: facts of the queries, frequencies of the items, the placement.
Axes: Q queries (users).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tokbench.report.board import FIGURES, finished, per_user, tables, title_of
from tokbench.report.sheet import Sheet
from tokbench.schema.record import Outcome, Record
from tokbench.stats.bootstrap import bootstrap
from tokbench.types import Ints

Mask = NDArray[np.bool_]

SLICES = (
    *("all", "head target", "middle target", "tail target", "cold target", "short history"),
    *("long history", "target collides", "target unique", "same day", "other day"),
)
SHOWN = ("recall@10", "ndcg@10")
SHARE = 0.2
WORDS = (
    "head: the fewest most popular items that have at least 20 % of the training interactions; "
    "tail: the most least popular ones that have at most 20 %; middle: between (arXiv 2103.06364); "
    "items with equally many stay together. cold: no training interaction (also in the tail). "
    "short: at most the median length. collides: another item has the target's tuple. day: is the "
    "target of the UTC day of the history's last item? [low, high]: 95 % bootstrap interval over "
    "the slice's users, seeds averaged; the training of the model is not in it."
)


def slices_of(outcome: Outcome) -> dict[str, Mask]:
    """Which users are in each slice of SLICES, [Q] each; slices the record cannot tell are absent.

    Records of earlier versions have no facts of queries: `all` and collisions remain.
    """
    group = outcome.read_placement().group
    found = {
        "all": np.ones(len(group), dtype=bool),
        "target collides": group > 1,
        "target unique": group == 1,
    }
    facts = outcome.read_queries()
    if facts is None or outcome.item_frequency is None:
        return found
    frequency, length, day = (
        facts[name] for name in ("target_frequency", "history_length", "same_day")
    )
    head, tail = popularity_bounds(outcome.item_frequency.array())
    found |= {
        "head target": frequency >= head,
        "middle target": (frequency < head) & (frequency > tail),
        "tail target": frequency <= tail,
        "cold target": frequency == 0,
        "short history": length <= np.median(length),
        "long history": length > np.median(length),
    }
    if (day >= 0).any():
        found |= {"same day": day == 1, "other day": day == 0}
    return found


def popularity_bounds(frequency: Ints) -> tuple[int, int]:
    """(least frequency of the head, most of the tail), from the frequencies of all items [N].

    The head is the smallest set {f >= head} with at least SHARE of the interactions, the tail the
    largest {f <= tail} with at most SHARE; tail is -1 where there is none, so the two never meet.
    """
    falling = np.sort(frequency)[::-1]
    total = falling.sum()
    held = np.cumsum(falling)
    head = falling[np.searchsorted(held, SHARE * total)]
    values = np.unique(falling)
    upto = np.array([falling[falling <= value].sum() for value in values])
    fitting = values[upto <= SHARE * total]
    return int(head), int(fitting.max(initial=-1))


def slice_sheets(records: Sequence[Record]) -> list[Sheet]:
    """A sheet per board: a row per slice and method, slices in the order of SLICES."""
    return [sheet for table in tables(records) if (sheet := _sheet(table)).rows]


def _sheet(table: Sequence[Record]) -> Sheet:
    done = finished(table)
    masks = {method: _masks(group) for method, group in done.items()}
    order = sorted(done, key=lambda method: -_users(done[method])[..., _columns()[0]].mean())
    rows = [
        (name, *method, *cells)
        for name in SLICES
        for method in order
        if (cells := slice_cells(done[method], masks[method].get(name)))
    ]
    heads = ("slice", "tokenizer", "policy", "generator", "users", "R@10", "R@10, 95 %", "N@10",
             "N@10, 95 %")  # fmt: skip
    old = sum(outcome.queries is None for group in done.values() for outcome in _outcomes(group))
    words = (
        f"{WORDS} Without facts of queries, so without most slices: {old} records."
        if old
        else WORDS
    )
    return Sheet(str(title_of(table)), heads, tuple(rows), words, grouped=True)


def slice_cells(
    records: Sequence[Record], mask: Mask | None
) -> tuple[int, float, tuple[float, float], float, tuple[float, float]] | tuple[()]:
    """(users, Recall@10, its interval, NDCG@10, its interval) of the users in `mask` [seeds, Q].

    A user's value is the mean over the seeds in which the user is in the slice (a target may
    collide under one seed only). () where the slice is unknown or empty.
    """
    if mask is None or not mask.any():
        return ()
    inside = mask.any(axis=0)
    weight = mask[:, inside] / mask[:, inside].sum(axis=0)  # [seeds, users]
    values = np.einsum("su,suf->uf", weight, _users(records)[:, inside][..., _columns()])
    low, high = bootstrap(values)
    (recall, ndcg), bounds = values.mean(axis=0), list(zip(low, high, strict=True))
    return (
        int(inside.sum()),
        float(recall),
        (float(bounds[0][0]), float(bounds[0][1])),
        float(ndcg),
        (float(bounds[1][0]), float(bounds[1][1])),
    )


def _masks(records: Sequence[Record]) -> dict[str, Mask]:
    """Slices that every seed can tell, [seeds, Q] each."""
    each = [slices_of(outcome) for outcome in _outcomes(records)]
    return {name: np.stack([one[name] for one in each])
            for name in SLICES if all(name in one for one in each)}  # fmt: skip


def _outcomes(records: Sequence[Record]) -> list[Outcome]:
    return [record.outcome for record in records if record.outcome is not None]


def _users(records: Sequence[Record]) -> NDArray[np.float64]:
    """[seeds, Q, figures]"""
    return np.stack([per_user(record) for record in records])


def _columns() -> list[int]:
    return [FIGURES.index(name) for name in SHOWN]

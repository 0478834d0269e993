"""For whom does a method work? Recall@10 and NDCG@10 of parts of the test users.

Everything follows from the record: facts of the queries, frequencies of the items, the placement.
Axes: Q queries, S seeds.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tokbench.report.outcomes import PerQuery
from tokbench.report.result_set import Board, ResultSet
from tokbench.report.rows import Row
from tokbench.report.tables import METHOD, Column, Table
from tokbench.schema.record import Outcome
from tokbench.stats.sample import Sample
from tokbench.types import Ints

Mask = NDArray[np.bool_]
Values = NDArray[np.float64]

LATER = "next day or later"
SLICES = (
    *("all", "head target", "middle target", "tail target", "cold target", "short history"),
    *("long history", "target collides", "target unique", "same day", LATER),
)
SHOWN = ("recall@10", "ndcg@10")
SHARE = 0.2
NOTE = (
    "head: the fewest most popular items that have at least 20 % of the training interactions; "
    "tail: the most least popular ones that have at most 20 %; middle: between (arXiv 2103.06364); "
    "items with equally many stay together. cold: no training interaction (also in the tail). "
    "short: at most the median length. collides: another item has the target's tuple. same day: "
    "the target is of the UTC day of the history's last item; next day or later: it is not. "
    "[low, high]: 95 % interval over the slice's users, seeds averaged; what another training run "
    "would give is not in it."
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
        found |= {"same day": day == 1, LATER: day == 0}
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
    values, counts = np.unique(falling, return_counts=True)
    fitting = values[np.cumsum(values * counts) <= SHARE * total]
    return int(head), int(fitting.max(initial=-1))


def tables(results: ResultSet) -> list[Table]:
    """A table per board: a row per slice and method, slices in the order of SLICES."""
    return [table for board in results.boards if (table := _table(board)).rows]


HEADS = (Column("slice"), *METHOD, Column("users", "count"), Column("R@10", "figure"),
         Column("R@10, 95 %", "interval"), Column("N@10", "figure"),
         Column("N@10, 95 %", "interval"))  # fmt: skip


def _table(board: Board) -> Table:
    parts: dict[str, list[tuple[Row, Values]]] = {name: [] for name in SLICES}
    for row in board.rows:
        for name, values in outcomes_by_slice(row):
            parts[name].append((row, values))
    found = [(name, row, values) for name in SLICES for row, values in parts[name]]
    rows = []
    for name, row, values in found:
        recall, ndcg = (Sample(values[:, n]) for n in range(len(SHOWN)))
        rows.append((name, *row.method, len(values), recall.mean, recall.interval(), ndcg.mean,
                     ndcg.interval()))  # fmt: skip
    runs = [run.outcome for row in board.rows for run in row.runs]
    old = sum(outcome is not None and outcome.queries is None for outcome in runs)
    lack = f" Without facts of queries, so without most slices: {old} records." if old else ""
    return Table(str(board.title), HEADS, tuple(rows), NOTE + lack, grouped=True)


def outcomes_by_slice(row: Row) -> Iterator[tuple[str, Values]]:
    """(slice, figures SHOWN of its users [users, 2]) where every seed can tell and it has users.

    A user's value is the mean over the queries and seeds that are in the slice: a target may
    collide under one seed only.
    """
    owners = queries_owners(row)
    masks = [slices_of(run.outcome) for run in row.runs if run.outcome is not None]
    found = PerQuery(row.runs)
    values = np.stack([found[name] for name in SHOWN], axis=2)  # [S, Q, 2]
    for name in SLICES:
        if all(name in one for one in masks):
            mask = np.stack([one[name] for one in masks])  # [seeds, Q]
            count = np.bincount(owners, mask.sum(axis=0))
            if count.any():
                summed = np.einsum("sq,sqf->fq", mask, values)
                means = np.stack([np.bincount(owners, one) for one in summed], axis=1)
                yield name, means[count > 0] / count[count > 0, None]


def queries_owners(row: Row) -> Ints:
    """The user of each query of a row's runs, which are all of one split, [Q]."""
    outcome = row.runs[0].outcome
    assert outcome is not None
    owners = outcome.read_owners()
    return np.arange(len(outcome.read_placement())) if owners is None else owners

"""What a record keeps of each test query, so that every slice can be made from the record alone.

Axes: Q queries, N items. No id of an item or a user is kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tokbench.scoring.splits import Split
from tokbench.types import Dataset, Ints

# Ticks of a day by unit, and where times of that unit lie between 1973 and 2200: a dataset does
# not say its unit, and a counter that starts at 0 has no days at all.
DAY_TICKS = {1: (1_000, 10**5), 86_400: (10**8, 10**10), 86_400_000: (10**11, 10**13)}


def query_facts(dataset: Dataset, split: Split) -> dict[str, Ints]:
    """Three integers per test query, [Q] each.

    `target_frequency`: interactions of the target in the training rows (0: a cold item);
    `history_length`: items in the history; `same_day`: 1 where the target shares the UTC day of
    the history's last item, 0 where not, -1 where the dataset does not tell days.
    """
    return {
        "target_frequency": item_frequency(dataset, split)[split.test.targets],
        "history_length": split.test.histories.lengths,
        "same_day": same_day(dataset, split),
    }


def item_frequency(dataset: Dataset, split: Split) -> Ints:
    """Interactions of every item in the training rows, [N]."""
    return np.bincount(split.histories.train.items, minlength=len(dataset.item_ids))


def same_day(dataset: Dataset, split: Split) -> Ints:
    """Does the target share the day of the item before it? 1, 0, or -1 for unknown, [Q]."""
    queries = split.test
    # Under both protocols a history is a head of the user's row and the target comes right after.
    at = dataset.interactions.offsets[queries.users] + queries.histories.lengths
    assert np.array_equal(dataset.interactions.items[at], queries.targets), "target after history"
    days = None if dataset.times is None else days_of(dataset.times)
    if days is None:
        return np.full(len(queries), -1)
    known = queries.histories.lengths > 0
    return np.where(known, days[at] == days[np.maximum(at - 1, 0)], -1).astype(np.int64)


def days_of(times: NDArray[np.int64]) -> Ints | None:
    """UTC days of times in days, seconds or milliseconds since 1970; None for any other unit."""
    if not len(times):
        return None
    for ticks, (low, high) in DAY_TICKS.items():
        if low <= times.min() and times.max() < high:
            return times // ticks
    return None

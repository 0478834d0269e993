"""Which interactions train, select and test: leave-one-out, and a temporal protocol in four forms,
all pure functions of a Dataset.

Axes: U users, T interactions, Q queries.

`leave_one_out` is the paper's (Sec. 4.1) and the field's habit. It lets one user's training rows
be later than another user's test item, so a model sees trends that lie ahead of some queries.
`temporal` cuts everyone at the same instants and has no such leak (the "temporal global" split of
arXiv 2007.13237, advised for sequential recommenders in arXiv 2507.16289): it asks for a user's
first item after the cut or for all of them, and for new items too or for known ones only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tokbench.errors import ConfigError, DatasetError, listed
from tokbench.types import Dataset, Histories, Ints, Queries, Sequences, digest

SHORTEST = 3  # one interaction each to train on, to select on and to test on


@dataclass(frozen=True, eq=False)
class Split:
    """What a generator may learn from, and the queries it is tested with."""

    protocol: str
    histories: Histories
    test: Queries

    def digest(self) -> str:
        """Content digest."""
        return digest(self)


def leave_one_out(dataset: Dataset) -> Split:
    """Each user's last item is the test target, the one before it the validation target.

    A query's history is all that precedes its target, so the test history ends with the
    validation item; training rows hold neither. Rows and queries are in the order of
    `dataset.user_ids`. Raises DatasetError where a user has fewer than three interactions.
    """
    rows = dataset.interactions
    _check_lengths(dataset)
    users = np.arange(len(rows))
    before_validation = _heads(rows, rows.lengths - 2)
    validation = _queries(dataset, users, before_validation, rows.offsets[1:] - 2)
    test = _queries(dataset, users, _heads(rows, rows.lengths - 1), rows.offsets[1:] - 1)
    return Split("leave-one-out", Histories(before_validation, validation), test)


Targets = Literal["first", "all"]


def temporal(
    dataset: Dataset,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
    *,
    targets: Targets = "first",
    warm: bool = False,
) -> Split:
    """Everything before one instant trains; two later windows of time select and test.

    The cuts are the instants that leave about `test_fraction` of all interactions in the test
    window and `validation_fraction` in the one before it. An instant is never divided: what
    shares the time of a cut lies after it, so the windows are at least as large as asked.

    A query asks for a user's first item within the window, given everything of that user before
    the cut; later items of the window are not asked for, so each user counts once and no history
    reaches past a cut. With `targets="all"` every item of the window is asked for, given everything
    of that user before it, items of the window included (the successive evaluation of arXiv
    2507.16289): nobody learns from them, and a history never reaches past its target. Items of one
    instant stand in file order. Users without an interaction before the cut ask nothing; users
    without a training interaction have no training row. Targets that nobody touched in training
    stay: every item of the catalogue has codes, and naming a new item is what semantic IDs promise.
    `warm` leaves out the queries for such targets, which models over item ids cannot name, in both
    windows; histories keep their items.

    Raises DatasetError where the dataset has no times, a user's times run backwards or a part
    would be empty; ConfigError for fractions that leave nothing to train on.
    """
    times = _checked_times(dataset)
    if not (
        min(validation_fraction, test_fraction) > 0 and validation_fraction + test_fraction < 1
    ):
        raise ConfigError(
            f"validation_fraction {validation_fraction} and test_fraction {test_fraction} are out "
            "of bounds: both above 0, their sum below 1"
        )
    test_from = _cut(times, test_fraction)
    validation_from = _cut(times, validation_fraction + test_fraction)
    known = _counts_before(dataset, times < validation_from)
    train = _without_empty_rows(_heads(dataset.interactions, known))
    asked = np.ones(len(times), dtype=bool)
    if warm:
        seen = np.bincount(train.items, minlength=len(dataset.item_ids)) > 0
        asked = seen[dataset.interactions.items]
    until = (times >= validation_from) & (times < test_from)
    validation = _in_window(dataset, until, asked, targets)
    test = _in_window(dataset, times >= test_from, asked, targets)
    for part, size in (("train", len(train)), ("select", len(validation)), ("test", len(test))):
        if size == 0:
            raise DatasetError(
                f"{dataset.name}: the temporal split leaves nothing to {part} on",
                remedy="choose other fractions, or split by leave-one-out",
            )
    name = "temporal" + ("-all" if targets == "all" else "") + ("-warm" if warm else "")
    return Split(name, Histories(train, validation), test)


def _heads(rows: Sequences, lengths: Ints) -> Sequences:
    """The first `lengths[u]` items of each row."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    kept = _column(rows) < np.repeat(lengths, rows.lengths)
    return Sequences(offsets, rows.items[kept], None if rows.times is None else rows.times[kept])


def _queries(dataset: Dataset, users: Ints, histories: Sequences, at: Ints) -> Queries:
    """Queries for the interactions `at` [Q]; the histories carry their times where rows do."""
    rows = dataset.interactions
    if rows.times is not None:
        histories = replace(histories, asked=rows.times[at])
    return Queries(users, histories, rows.items[at])


def with_times(dataset: Dataset) -> Dataset:
    """The dataset with times in its interactions, where it has any: its split then holds them.

    `Sequences.times` and, for queries, `Sequences.asked`.
    """
    rows = dataset.interactions
    return replace(dataset, interactions=Sequences(rows.offsets, rows.items, dataset.times))


def without_query_times(split: Split) -> Split:
    """The split without `Sequences.asked`: when a target comes is not known before it does."""

    def hidden(queries: Queries) -> Queries:
        return replace(queries, histories=replace(queries.histories, asked=None))

    histories = replace(split.histories, validation=hidden(split.histories.validation))
    return replace(split, histories=histories, test=hidden(split.test))


def _column(rows: Sequences) -> Ints:
    """The place of every item within its row, [T]."""
    return np.arange(len(rows.items)) - np.repeat(rows.offsets[:-1], rows.lengths)


def _without_empty_rows(rows: Sequences) -> Sequences:
    return Sequences(np.unique(rows.offsets), rows.items, rows.times)


def _cut(times: Ints, fraction: float) -> int:
    """The instant from which on lie `fraction` of all interactions, or more where it is shared."""
    after = max(1, round(len(times) * fraction))
    return int(np.sort(times)[len(times) - after])


def _counts_before(dataset: Dataset, chosen: NDArray[np.bool_]) -> Ints:
    """How many interactions of each user are `chosen`, [U]."""
    total = np.concatenate([[0], np.cumsum(chosen)])
    counts: Ints = np.diff(total[dataset.interactions.offsets])
    return counts


def _in_window(
    dataset: Dataset, window: NDArray[np.bool_], asked: NDArray[np.bool_], targets: Targets
) -> Queries:
    """For each user with a past: the first interaction inside the window, or all of them, each
    given what is before it; without those that are not `asked` [T]."""
    rows = dataset.interactions
    at = np.flatnonzero(window)
    users = np.repeat(np.arange(len(rows)), rows.lengths)[at]
    _, first, member = np.unique(users, return_index=True, return_inverse=True)
    past = at[first] > rows.offsets[users[first]]  # so before the cut: times rise
    kept = past[member] & asked[at]
    if targets == "first":
        kept &= np.isin(np.arange(len(at)), first)
    users, at = users[kept], at[kept]
    return _queries(dataset, users, _before(rows, users, at), at)


def _before(rows: Sequences, users: Ints, at: Ints) -> Sequences:
    """What each user [Q] has before the interaction `at` [Q]."""
    lengths = at - rows.offsets[users]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    where = np.arange(offsets[-1]) + np.repeat(rows.offsets[users] - offsets[:-1], lengths)
    return Sequences(offsets, rows.items[where], None if rows.times is None else rows.times[where])


def _check_lengths(dataset: Dataset) -> None:
    lengths = dataset.interactions.lengths
    if len(lengths) == 0:
        raise DatasetError(f"{dataset.name}: no users", remedy="check the dataset's filters")
    short = np.flatnonzero(lengths < SHORTEST)
    if len(short):
        raise DatasetError(
            f"{dataset.name}: user '{dataset.user_ids[short[0]]}' has {lengths[short[0]]} "
            f"interactions, leave-one-out needs {SHORTEST} ({len(short)} of {len(lengths)} users "
            "are too short)",
            remedy=f"keep only users with at least {SHORTEST} interactions",
        )


def _checked_times(dataset: Dataset) -> Ints:
    if dataset.times is None:
        raise DatasetError(
            f"{dataset.name}: the temporal split needs the time of each interaction",
            remedy="add times to the dataset, or split by leave-one-out",
        )
    rows = dataset.interactions
    if not len(rows.items):
        raise DatasetError(f"{dataset.name}: no interactions", remedy="check the dataset's filters")
    backwards = np.flatnonzero((np.diff(dataset.times) < 0) & (_column(rows)[1:] > 0))
    if len(backwards):
        users = np.searchsorted(rows.offsets, backwards, side="right") - 1
        names = listed([f"'{dataset.user_ids[u]}'" for u in np.unique(users)[:3]])
        raise DatasetError(
            f"{dataset.name}: times run backwards for {len(np.unique(users))} users, "
            f"the first: {names}",
            remedy="order each user's interactions by time",
        )
    return dataset.times

"""Recipes against the rules written out user by user, item by item."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tokbench.ingest.interactions import Log, count
from tokbench.ingest.official.recipe import DataRecipe, Published, apply, compare, distance

Rows = dict[int, list[tuple[int, int]]]  # user -> [(time, item)]


def log_of(events: list[tuple[int, int, int]], timed: bool = True) -> Log:
    columns = np.array(events, np.int64).reshape(-1, 3).T
    time = columns[2] if timed else None
    return Log(
        [f"u{n}" for n in range(9)], [f"i{n}" for n in range(9)], columns[0], columns[1], time
    )


def by_hand(events: list[tuple[int, int, int]], recipe: DataRecipe, titled: list[bool]) -> Rows:
    """What `apply` should leave, in plain Python."""
    rows: Rows = {}
    for user, item, time in events:
        if titled[item] or recipe.text == "any":
            rows.setdefault(user, []).append((time, item))
    rows = {user: sorted(row, key=lambda event: event[0]) for user, row in rows.items()}
    if recipe.repeats == "first":
        for user, row in rows.items():
            seen = [item for _, item in row]
            rows[user] = [e for n, e in enumerate(row) if e[1] not in seen[:n]]
    while True:
        before = sum(map(len, rows.values()))
        takers: dict[int, set[int]] = {}
        for user, row in rows.items():
            for _, item in row:
                takers.setdefault(item, set()).add(user)
        rows = {
            user: [e for e in row if len(takers[e[1]]) >= recipe.item_users]
            for user, row in rows.items()
        }
        rows = {user: row for user, row in rows.items() if len(row) >= recipe.shortest}
        if recipe.too_long == "drop" and recipe.longest:
            rows = {user: row for user, row in rows.items() if len(row) <= recipe.longest}
        if not recipe.fixpoint or sum(map(len, rows.values())) == before:
            break
    if recipe.longest and recipe.too_long == "drop-last":
        return {user: row for user, row in rows.items() if len(row) <= recipe.longest}
    return {user: row[-recipe.longest :] for user, row in rows.items()}


one_event = st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(0, 3))
events_lists = st.lists(one_event, max_size=9) | st.lists(one_event, min_size=25, max_size=70)
recipes = st.builds(
    lambda longest_over, **fields: DataRecipe(
        longest=fields["shortest"] + longest_over if longest_over is not None else 0, **fields
    ),
    longest_over=st.none() | st.integers(0, 4),
    text=st.sampled_from(["any", "required"]),
    repeats=st.sampled_from(["keep", "first"]),
    item_users=st.integers(0, 3),
    shortest=st.integers(3, 5),
    too_long=st.sampled_from(["cap", "drop", "drop-last"]),
    fixpoint=st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(events_lists, recipes, st.lists(st.booleans(), min_size=9, max_size=9))
def test_a_recipe_does_what_it_says(
    events: list[tuple[int, int, int]], recipe: DataRecipe, titled: list[bool]
) -> None:
    left = apply(log_of(events), recipe, np.array(titled))
    assert left.time is not None
    found: Rows = {}
    for user, item, time in zip(left.user, left.item, left.time, strict=True):
        found.setdefault(int(user), []).append((int(time), int(item)))
    assert found == by_hand(events, recipe, titled)
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    ("too_long", "lengths"), [("cap", [3, 4, 4]), ("drop", [3, 4]), ("drop-last", [3, 4])]
)
def test_the_bounds_themselves_are_allowed(too_long: str, lengths: list[int]) -> None:
    events = [(user, n, n) for user, length in enumerate((2, 3, 4, 5)) for n in range(length)]
    recipe = DataRecipe.model_validate({"shortest": 3, "longest": 4, "too_long": too_long})
    left = apply(log_of(events), recipe)
    assert np.unique(left.user, return_counts=True)[1].tolist() == lengths
    assert left.item[-1] == (4 if too_long == "cap" else 3), "the end of a sequence is kept"


def test_ties_keep_the_order_of_the_file() -> None:
    events = [(0, 3, 7), (1, 0, 1), (0, 1, 7), (0, 2, 5), (1, 1, 0), (1, 2, 1)]
    left = apply(log_of(events), DataRecipe(shortest=3))
    assert left.item.tolist() == [2, 3, 1, 1, 0, 2]
    untimed = apply(log_of(events, timed=False), DataRecipe(shortest=3))
    assert untimed.item.tolist() == [3, 1, 2, 0, 1, 2]
    assert untimed.time is None


def test_statistics_and_comparison() -> None:
    events = (
        [(0, n, n) for n in range(5)]
        + [(1, n, n) for n in range(3)]
        + [(2, 0, n) for n in range(4)]
    )
    statistics = count(apply(log_of(events), DataRecipe(shortest=3)))
    assert (statistics.users, statistics.items, statistics.interactions) == (3, 5, 12)
    assert (statistics.shortest, statistics.longest) == (3, 5)
    assert (statistics.mean, statistics.median) == (4.0, 4.0)
    same = Published("here", 3, 5, 4.0)
    assert distance(statistics, same) == 0
    assert distance(statistics, Published("there", 6, 5, 4.0)) == pytest.approx(math.log(2))
    rows: dict[str, Any] = {
        row[0]: row[1:] for row in compare(statistics, Published("x", 4, 5, 4.1))
    }
    assert rows["users"] == (3, 4, -1)
    assert rows["mean"] == (4.0, 4.1, -0.1)
    assert rows["median"] == (4.0, None, None)


def test_nothing_left_counts_as_nothing() -> None:
    statistics = count(apply(log_of([]), DataRecipe()))
    assert statistics.users == statistics.interactions == 0
    assert distance(statistics, Published("x", 1, 1, 1.0)) == math.inf


def test_bounds_that_contradict_are_refused() -> None:
    with pytest.raises(ValidationError, match="longest=4 is below shortest=5"):
        DataRecipe(longest=4)

"""From a log of interactions to a dataset: which users, items and events stay.

The paper gives bounds and counts (Table 1) but not the order of its filters, so a recipe spells
out every choice, and `apply` does exactly what it says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from tokbench.api import Config, option
from tokbench.ingest.interactions import Events, Log, Statistics, by_user_and_time
from tokbench.types import Ints

Mask = NDArray[np.bool_]
DAY = r"^(\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))?$"


class DataRecipe(Config):
    """Every choice between raw files and sequences, in the order in which it is applied."""

    source: str = option("", description="which release or part of the raw files")
    stream: Literal["history", "history+clicks"] = option(
        "history+clicks", description="MIND only: the History column, or then the clicks too"
    )
    since: str = option(
        "", pattern=DAY, description="first day of the interactions, YYYY-MM-DD; empty: all"
    )
    until: str = option("", pattern=DAY, description="last day of the interactions")
    text: Literal["any", "required"] = option(
        "required", description="keep items without a title, or remove them from the log first"
    )
    repeats: Literal["keep", "first"] = option(
        "keep", description="of a user's interactions with one item keep all, or the first"
    )
    item_users: int = option(0, ge=0, description="remove items that fewer users took")
    shortest: int = option(5, ge=3, description="then remove users with fewer interactions")
    longest: int = option(0, ge=0, description="longest sequence; 0 for no bound")
    too_long: Literal["cap", "drop", "drop-last"] = option(
        "cap",
        description="a longer sequence: keep its end, remove the user with the too short ones, "
        "or remove the user when all else is done",
    )
    fixpoint: bool = option(
        False, description="repeat the item and user rules until nothing changes"
    )

    @model_validator(mode="after")
    def _bounds_agree(self) -> DataRecipe:
        if 0 < self.longest < self.shortest:
            raise ValueError(f"longest={self.longest} is below shortest={self.shortest}")
        return self


def apply(log: Log, recipe: DataRecipe, titled: Mask | None = None) -> Events:
    """The events that stay. `titled` [N] says which items have text (all, where it is None).

    Events of equal time keep the order of the file.
    """
    order = by_user_and_time(log)
    user, item = log.user[order], log.item[order]
    keep = np.ones(len(user), np.bool_)
    if recipe.text == "required" and titled is not None:
        keep &= titled[item]
    if recipe.repeats == "first":
        keep &= _first_of_each(user, item, keep, len(log.items))
    while True:
        before = int(keep.sum())
        if recipe.item_users:
            keep &= _users_per_item(user, item, keep, len(log.items))[item] >= recipe.item_users
        lengths = np.bincount(user[keep], minlength=len(log.users))
        fits = lengths >= recipe.shortest
        if recipe.longest and recipe.too_long == "drop":
            fits &= lengths <= recipe.longest
        keep &= fits[user]
        if not recipe.fixpoint or int(keep.sum()) == before:
            break
    if recipe.longest and recipe.too_long == "drop-last":
        keep &= (np.bincount(user[keep], minlength=len(log.users)) <= recipe.longest)[user]
    elif recipe.longest:
        keep &= _among_last(user, keep, recipe.longest)
    kept = order[keep]
    return Events(log.user[kept], log.item[kept], None if log.time is None else log.time[kept])


def _first_of_each(user: Ints, item: Ints, keep: Mask, items: int) -> Mask:
    rows = np.flatnonzero(keep)
    _, first = np.unique(user[rows] * items + item[rows], return_index=True)
    mask = np.zeros(len(keep), np.bool_)
    mask[rows[first]] = True
    return mask


def _users_per_item(user: Ints, item: Ints, keep: Mask, items: int) -> Ints:
    pairs = np.unique(user[keep] * items + item[keep])
    return np.bincount(pairs % items, minlength=items)


def _among_last(user: Ints, keep: Mask, longest: int) -> Mask:
    """The last `longest` kept events of each user; `user` is sorted."""
    rows = np.flatnonzero(keep)
    ends = np.searchsorted(user[rows], user[rows], side="right")
    mask = np.zeros(len(keep), np.bool_)
    mask[rows[ends - np.arange(len(rows)) <= longest]] = True
    return mask


@dataclass(frozen=True)
class Published:
    """Counts as somebody printed them; None where they did not."""

    where: str
    users: int
    items: int
    mean: float
    shortest: int | None = None
    longest: int | None = None
    median: float | None = None
    interactions: int | None = None


def compare(
    ours: Statistics, theirs: Published
) -> list[tuple[str, float, float | None, float | None]]:
    """(name, our figure, theirs or None, difference or None) for each count of Table 1."""
    rows = []
    for name in ("users", "items", "interactions", "shortest", "longest", "mean", "median"):
        our, their = getattr(ours, name), getattr(theirs, name)
        rows.append((name, our, their, None if their is None else round(our - their, 3)))
    return rows


def distance(ours: Statistics, theirs: Published) -> float:
    """How far apart: the sum of |log ratio| of users, items and mean length; inf for nothing.

    The median stays out: the paper's for Office (L) cannot be (12, with mean 8.38 and minimum 5).
    """
    if not ours.users:
        return math.inf
    pairs = ((ours.users, theirs.users), (ours.items, theirs.items), (ours.mean, theirs.mean))
    return sum(abs(math.log(our / their)) for our, their in pairs)

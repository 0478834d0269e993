"""From queries to users, where a user has several.

Axes: Q queries, U users.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tokbench.api import Score
from tokbench.types import Ints, Queries

Value = TypeVar("Value", float, NDArray[np.float64], Score)


def owners_of(queries: Queries) -> Ints | None:
    """The user of each query, numbered from 0, [Q]; None where every user has one query."""
    users, owners = np.unique(queries.users, return_inverse=True)
    return None if len(users) == len(queries) else owners.astype(np.int64)


def by_user(value: Value, owners: Ints | None) -> Value:
    """The mean of each user's queries, [U] of [Q], so that every user weighs the same and users are
    what is drawn independently; a single figure, and queries of a user each, as they are."""
    if owners is None or not isinstance(value, np.ndarray):
        return value
    means: NDArray[np.float64] = np.bincount(owners, value) / np.bincount(owners)
    return means

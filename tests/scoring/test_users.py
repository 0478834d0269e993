"""Users weigh alike, however many queries each has."""

from __future__ import annotations

import numpy as np

from tokbench.scoring.users import by_user, owners_of
from tokbench.types import Queries, Sequences


def queries_of(users: list[int]) -> Queries:
    targets = np.zeros(len(users), np.int64)
    return Queries(np.array(users), Sequences.of([[0]] * len(users)), targets)


def test_queries_are_numbered_by_user_where_users_have_several() -> None:
    assert owners_of(queries_of([3, 5, 9])) is None
    owners = owners_of(queries_of([3, 5, 5, 9, 5]))
    assert owners is not None
    assert owners.tolist() == [0, 1, 1, 2, 1]


def test_a_users_value_is_the_mean_over_the_queries() -> None:
    owners, values = np.array([0, 1, 1, 2, 1]), np.array([1.0, 0.0, 1.0, 0.5, 0.5])
    assert by_user(values, owners).tolist() == [1.0, 0.5, 0.5]
    assert by_user(values, None) is values
    assert by_user(0.25, owners) == 0.25

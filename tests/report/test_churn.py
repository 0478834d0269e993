"""Churn between two tables, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tokbench.errors import DatasetError
from tokbench.ids.code_table import CodeTable
from tokbench.report.churn import churn
from tokbench.types import SemanticIds


def table(rows: dict[str, list[int]]) -> CodeTable:
    return CodeTable(tuple(rows), SemanticIds(np.array([*rows.values()], np.int32), (4, 4)))


OLD = table({"a": [0, 1], "b": [0, 2], "c": [1, 1], "d": [2, 3]})


def test_shares_are_of_the_items_in_both() -> None:
    new = table({"c": [1, 1], "b": [0, 3], "a": [3, 1], "e": [0, 0]})
    found = {str(row[0]): row[1] for row in churn(OLD, new).rows}
    assert (found["items in both"], found["items dropped"], found["items added"]) == (3, 1, 1)
    assert found["tuple kept"] == pytest.approx(1 / 3)
    assert found["first 1 kept"] == pytest.approx(2 / 3)
    assert found["code of level 1 kept"] == pytest.approx(2 / 3)
    assert found["code of level 2 kept"] == pytest.approx(2 / 3)


def test_other_names_for_the_same_codes_are_seen_through() -> None:
    new = table({item: [(c + 1) % 4, (d + 2) % 4] for item, (c, d) in
                 zip(OLD.item_ids, OLD.ids.codes.tolist(), strict=True)})  # fmt: skip
    found = {str(row[0]): row[1] for row in churn(OLD, new).rows}
    assert found["tuple kept"] == 0
    assert found["stability/level1"] == found["stability/level2"] == 1
    assert found["stability/depth2"] == 1


def test_tables_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(DatasetError, match="no item"):
        churn(OLD, table({"x": [0, 0]}))
    with pytest.raises(DatasetError, match="2 codes an item in one, 1"):
        churn(OLD, CodeTable(("a",), SemanticIds(np.array([[0]], np.int32), (4,))))

"""A foreign code table stands where a tokenizer stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.components import registry_of
from tokbench.api import Runtime
from tokbench.errors import ConfigError, DatasetError
from tokbench.pipeline.cell import Cell
from tokbench.pipeline.resolve import make_request, resolve
from tokbench.tokenizers.table import Table
from tokbench.types import Catalog, SemanticIds


def catalog(*items: str) -> Catalog:
    return Catalog(items, items, np.zeros((len(items), 2), np.float32))


def table_in(path: Path, codes: dict[str, list[int]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(codes))
    return path


def tokenize(path: Path, items: Catalog, seed: int = 0, **options: Any) -> SemanticIds:
    tokenizer = Table.of(path=str(path), **options)
    return tokenizer.tokenize(items, seed=seed, runtime=Runtime())


def test_codes_follow_the_items_of_the_catalogue(tmp_path: Path) -> None:
    path = table_in(tmp_path / "t.json", {"c": [3, 0], "ghost": [9, 9], "a": [1, 2], "b": [0, 4]})
    ids = tokenize(path, catalog("a", "b", "c"))
    assert ids.codes.tolist() == [[1, 2], [0, 4], [3, 0]]
    assert ids.level_sizes == (10, 10), "the whole table speaks for its sizes"
    assert tokenize(path, catalog("b"), level_sizes=(64, 32)).level_sizes == (64, 32)


def test_unknown_items_are_counted_in_the_log(tmp_path: Path) -> None:
    path = table_in(tmp_path / "t.json", {"a": [1], "ghost": [0], "b": [1]})
    runtime = Runtime()
    Table.of(path=str(path)).tokenize(catalog("b", "a"), seed=0, runtime=runtime)
    assert runtime.rows == [{"listed": 3.0, "unknown": 1.0}]
    runtime = Runtime()
    few = Table.of(path=str(path), missing="random")
    few.tokenize(catalog("b", "new", "newer"), seed=0, runtime=runtime)
    assert runtime.rows == [{"listed": 3.0, "unknown": 2.0}]


def test_missing_items_stop_the_run_and_are_counted(tmp_path: Path) -> None:
    path = table_in(tmp_path / "t.json", {"a": [1]})
    with pytest.raises(DatasetError, match="no codes for 4 of 5 items, the first: 'v', 'w', 'x'"):
        tokenize(path, catalog("v", "a", "w", "x", "y"))


def test_missing_items_may_get_random_codes(tmp_path: Path) -> None:
    path = table_in(tmp_path / "t.json", {"a": [0, 999], "b": [63, 0]})
    items = catalog("a", *(f"i{n}" for n in range(2_000)), "b")
    first = tokenize(path, items, missing="random")
    assert first.codes[0].tolist() == [0, 999]
    assert first.codes[-1].tolist() == [63, 0]
    assert first.codes.min() == 0
    drawn = first.codes[1:-1]
    assert drawn.max(axis=0).tolist() == [63, 999], "every code of a level can be drawn"
    assert len(np.unique(drawn[:, 0])) == 64
    np.testing.assert_array_equal(first.codes, tokenize(path, items, missing="random").codes)
    assert (first.codes != tokenize(path, items, seed=1, missing="random").codes).any()
    with pytest.raises(DatasetError, match="no codes for 1 of 1"):
        tokenize(path, catalog("none of them"), missing="random")


def test_without_a_file_it_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="table:FILE"):
        list(Table().inputs())
    with pytest.raises(DatasetError, match="no such file"):
        list(Table.of(path=str(tmp_path / "none.json")).inputs())


def cell(path: Path, **fields: Any) -> Cell:
    request = {"datasets": ("tiny",), "generators": ("echo",), "encoder": "letters",
               "tokenizers": (f"table:{path}",), "baselines": False} | fields  # fmt: skip
    (found,) = resolve(make_request(**request), registry_of(("tokenizer", Table)))
    return found


def test_a_label_names_the_file_and_not_its_folder(tmp_path: Path) -> None:
    path = table_in(tmp_path / "deep" / "my [bold] table.json", {"a": [1]})
    spec = cell(path).spec
    assert spec.tokenizer.name == "table"
    assert spec.tokenizer.label.startswith("table:my-bold-table.json@")
    assert str(tmp_path) not in spec.model_dump_json()


def test_different_files_differ_in_label_and_run_and_equal_ones_do_not(tmp_path: Path) -> None:
    one = table_in(tmp_path / "one" / "t.json", {"a": [1]})
    copy = table_in(tmp_path / "copy" / "t.json", {"a": [1]})
    other = table_in(tmp_path / "other" / "t.json", {"a": [2]})
    assert cell(one).spec == cell(copy).spec
    assert cell(one).spec.tokenizer.label != cell(other).spec.tokenizer.label
    assert cell(one).spec.run_id != cell(other).spec.run_id
    assert cell(one).spec.tokenizer.inputs != cell(other).spec.tokenizer.inputs


def test_the_second_file_of_an_array_counts(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.array([[1], [2]]))
    specs = []
    for items in (["a", "b"], ["b", "a"]):
        (tmp_path / "t.npy.json").write_text(json.dumps({"item_ids": items}))
        specs.append(cell(tmp_path / "t.npy").spec)
    assert specs[0].run_id != specs[1].run_id
    assert specs[0].tokenizer.label != specs[1].tokenizer.label
    assert specs[0].tokenizer.inputs.keys() == {"t.npy", "t.npy.json"}


def test_options_stand_in_the_label(tmp_path: Path) -> None:
    path = table_in(tmp_path / "t.json", {"a": [1]})
    label = cell(path, overrides=("table.missing=random",)).spec.tokenizer.label
    assert label.endswith(" [missing=random]")


def test_a_file_that_is_not_there_is_caught_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file"):
        cell(tmp_path / "none.json")

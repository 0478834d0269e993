"""Precision is part of a run's identity, and rows of two precisions never stand on one board."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.components import registry_of
from tests.pipeline.test_grid import context_in, tiny_request
from tokbench.errors import ConfigError
from tokbench.pipeline.cell import DataCache
from tokbench.pipeline.grid import run_cells, run_grid
from tokbench.pipeline.resolve import resolve
from tokbench.report.result_set import ResultSet
from tokbench.schema.run_spec import RunSpec, canonical_digest


def test_auto_is_the_devices_and_float32_leaves_identities_as_they_were() -> None:
    registry = registry_of()
    here = resolve(tiny_request(), registry)
    there = resolve(tiny_request(), registry, "cuda:1")
    asked = resolve(tiny_request(precision="float32"), registry, "cuda")
    assert {cell.spec.precision for cell in here + asked} == {"float32"}
    assert {cell.spec.precision for cell in there} == {"bfloat16"}
    ids = [[cell.spec.run_id for cell in cells] for cells in (here, asked, there)]
    assert ids[0] == ids[1]
    assert not set(ids[0]) & set(ids[2])
    spec = here[0].spec.model_dump(mode="json")
    assert "precision" not in spec
    assert canonical_digest(spec)[:12] == here[0].spec.run_id
    again = RunSpec.model_validate(there[0].spec.model_dump(mode="json"))
    assert again == there[0].spec


def test_artifacts_of_the_generator_alone_have_other_keys(tmp_path: Path) -> None:
    (cell, *_) = resolve(tiny_request(baselines=False), registry_of())
    data = DataCache(context_in(tmp_path).runtime()).of(cell)
    other = replace(cell, spec=cell.spec.model_copy(update={"precision": "bfloat16"}))
    for name in ("generator", "tokenizer", "encoder"):
        assert (data.digest(name, cell) != data.digest(name, other)) == (name == "generator")
    assert context_in(tmp_path).runtime("bfloat16").precision == "bfloat16"


def test_bfloat16_is_for_gpus(tmp_path: Path) -> None:
    cells = resolve(tiny_request(precision="bfloat16"), registry_of())
    with pytest.raises(ConfigError, match=r"bfloat16 is computed on a GPU, not on 'cpu'"):
        run_cells(cells, context_in(tmp_path), registry_of())


def test_boards_and_averages_are_of_one_precision(tmp_path: Path) -> None:
    records = run_grid(
        tiny_request(baselines=False, seeds=(0, 1)), context_in(tmp_path), registry=registry_of()
    )
    spec = records[1].spec.model_copy(update={"precision": "bfloat16"})
    other = records[1].model_copy(update={"spec": spec, "run_id": spec.run_id})
    two, one = ResultSet([records[0], other]).boards
    assert [len(one.rows), len(two.rows)] == [1, 1]
    assert [one.rows[0].seeds, two.rows[0].seeds] == [1, 1]
    assert "bfloat16" not in str(one.title)
    assert "bfloat16" in str(two.title)

"""Records: what goes in comes out, and a wrong file is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pipeline.test_grid import run_tiny
from tokbench.errors import RecordError
from tokbench.schema import record as record_module
from tokbench.schema.record import Packed, find_record, read_record, read_records, write_record


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=40))
def test_packing_is_lossless(values: list[int]) -> None:
    array = np.asarray(values, dtype=np.int64).reshape(-1, 1)
    packed = Packed.model_validate_json(Packed.of(array).model_dump_json())
    assert np.array_equal(packed.array(), array)


def test_a_value_beyond_32_bits_is_refused() -> None:
    with pytest.raises(OverflowError):
        Packed.of(np.asarray([2**31]))


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    (record,) = run_tiny(tmp_path, baselines=False)
    (path,) = (tmp_path / "results").rglob("*.json")
    assert read_record(path) == record
    assert path.parent.name == "tiny"
    assert find_record(tmp_path / "results", record.spec) == record


def test_both_ways_to_read_a_file_agree(tmp_path: Path) -> None:
    """In one pass, or in steps that explain; neither takes a record without its schema."""
    run_tiny(tmp_path, baselines=False)
    (path,) = (tmp_path / "results").rglob("*.json")
    assert record_module._quickly(path) == record_module._explained(path)
    data = json.loads(path.read_text())
    del data["record_schema"]
    path.write_text(json.dumps(data))
    with pytest.raises(RecordError, match="record schema None"):
        read_record(path)


def test_figures_follow_from_the_stored_integers(tmp_path: Path) -> None:
    """Recall@10 by hand from (ahead, group), without tokbench.scoring.metrics."""
    (record,) = run_tiny(tmp_path, baselines=False)
    assert record.outcome is not None
    placed = record.outcome.read_placement()
    by_hand = [
        0.0 if s < 0 else min(max((10 - s) / g, 0.0), 1.0)
        for s, g in zip(placed.ahead.tolist(), placed.group.tolist(), strict=True)
    ]
    assert record.outcome.figures["recall@10"].value == pytest.approx(np.mean(by_hand), abs=1e-12)


@pytest.mark.parametrize("harm", ["text", "schema", "spec", "field", "packed"])
def test_a_wrong_file_is_named(tmp_path: Path, harm: str) -> None:
    (record,) = run_tiny(tmp_path, baselines=False)
    path = write_record(record, tmp_path / "harmed")
    data = json.loads(path.read_text())
    if harm == "schema":
        data["record_schema"] = 99
    elif harm == "spec":
        data["spec"]["beam_width"] = 51
    elif harm == "field":
        data["outcome"]["users"] = "many"
    elif harm == "packed":
        data["outcome"]["codes"]["data"] = "AAAA"
    path.write_text("{" if harm == "text" else json.dumps(data))
    if harm == "packed":
        outcome = read_record(path).outcome
        assert outcome is not None
        with pytest.raises(RecordError):
            outcome.read_ids()
    else:
        with pytest.raises(RecordError, match=path.name):
            read_records(tmp_path / "harmed")

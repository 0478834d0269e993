"""Records: what goes in comes out, and a wrong file is named."""

from __future__ import annotations

import base64
import json
import math
import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.components import CALLS
from tests.pipeline.test_grid import run_tiny
from tokbench.errors import RecordError
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
    with pytest.raises(RecordError, match=path.name):
        read_records(tmp_path / "harmed")


def broken(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A record's file after `change`, its digest made again as a forger would."""
    (record,) = run_tiny(folder, baselines=False)
    path = write_record(record, folder / "harmed")
    data = json.loads(path.read_text())
    change(data)
    data.pop("digest")
    path.write_text(json.dumps(data))
    return path


def packed(values: Any) -> Any:
    return Packed.of(np.asarray(values)).model_dump()


BOMB = base64.b64encode(zlib.compress(b"\0" * (1 << 27), 9)).decode()
HARMS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "bomb": (lambda d: d["outcome"]["codes"].update(data=BOMB), "cut short, or has more"),
    "immense shape": (
        lambda d: d["outcome"]["codes"].update(shape=[2**31, 2**31]), "codes has the shape"),
    "negative shape": (lambda d: d["outcome"]["codes"].update(shape=[-1]), "greater than or equal"),
    "group": (lambda d: d["outcome"]["placement"].update(group=packed([2**31 - 1] * 8)), "group"),
    "ahead": (lambda d: d["outcome"]["placement"].update(ahead=packed([-2] * 8)), "ahead goes"),
    "users": (lambda d: d["outcome"].update(users=9), "shape"),
    "level sizes": (lambda d: d["outcome"].update(level_sizes=[2**40, 4]), "less than or equal"),
    "no levels": (lambda d: d["outcome"].update(level_sizes=[]), "level_sizes"),
    "beam": (lambda d: d["spec"].update(beam_width=2**40), "beam_width"),
    "folder": (lambda d: d["spec"]["dataset"].update(name="../.."), "name"),
    "digest": (lambda d: d["outcome"]["digests"].update(dataset="/../.."), "malformed"),
    "no digest": (lambda d: d["outcome"]["digests"].pop("split"), "missing"),
    "NaN": (lambda d: d["outcome"]["figures"]["recall@10"].update(value="NaN"), "recall@10"),
    "no figure": (lambda d: d["outcome"]["figures"].pop("ndcg@10"), "ndcg@10"),
    "no outcome": (lambda d: d.update(outcome=None), "an outcome is absent"),
    "an immense error": (lambda d: d.update(error="x" * 10**6), "error"),
    "no arrays": (lambda d: d["outcome"].update(placement={}), "placement holds"),
    "deep": (lambda d: d["spec"]["dataset"]["config"].update(x=nested(50)), "run id"),
}  # fmt: skip


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else 0


@pytest.mark.parametrize("harm", HARMS)
def test_a_record_that_cannot_be_worked_with_is_refused_by_name(tmp_path: Path, harm: str) -> None:
    change, words = HARMS[harm]
    path = broken(tmp_path, change)
    with pytest.raises(RecordError, match=re.escape(words)) as caught:
        read_record(path)
    assert path.name in str(caught.value)
    assert len(str(caught.value)) < 1000
    told: list[RecordError] = []
    assert read_records(path.parent, told.append) == []
    assert len(told) == 1


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    (tmp_path / "b.json").mkdir()
    (tmp_path / "c.json").write_text("[" * 10**5)
    (tmp_path / "d.json").write_bytes(b"\xff\xfe")
    told: list[RecordError] = []
    assert read_records(tmp_path, told.append) == []
    assert len(told) == 4


def test_a_record_that_was_changed_is_refused(tmp_path: Path) -> None:
    (record,) = run_tiny(tmp_path, baselines=False)
    assert record.digest == record.own_digest()
    (path,) = (tmp_path / "results").rglob("*.json")
    path.write_text(path.read_text().replace('"seconds": 0.', '"seconds": 1.', 1))
    with pytest.raises(RecordError, match="changed after it was written"):
        read_record(path)


def test_a_curve_with_nan_is_kept_as_a_word(tmp_path: Path) -> None:
    (record,) = run_tiny(tmp_path, baselines=False)
    assert record.outcome is not None
    rows = {"train": [{"loss": math.nan, "step": 1.0}]}
    strange = record.model_copy(
        update={"outcome": record.outcome.model_copy(update={"curves": rows})}
    )
    path = write_record(strange, tmp_path / "strange")
    found = read_record(path).outcome
    assert found is not None
    assert math.isnan(found.curves["train"][0]["loss"])
    assert '"NaN"' in path.read_text()


def test_a_folder_that_cannot_be_written_is_said_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(RecordError, match="choose another folder with --results"):
        run_tiny(tmp_path, baselines=False)
    assert CALLS == []


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    left, fresh = (tmp_path / f"results/tiny/{name}.partial" for name in ("a", "b"))
    left.parent.mkdir(parents=True)
    left.write_text("half")
    fresh.write_text("another process is at it")
    os.utime(left, (0, 0))
    run_tiny(tmp_path, baselines=False)
    assert not left.exists()
    assert fresh.exists()

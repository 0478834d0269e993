"""Every tracker is told the same of a record: once by a list, once through tensorboard's files."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.pipeline.test_grid import run_tiny
from tokbench.cli import main
from tokbench.cli import track as command
from tokbench.schema.record import Record
from tokbench.tracking.trackers import TRACKERS, Settings, settings_of, tell


class Kept:
    """A tracker that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def start(self, name: str, group: str, settings: Settings) -> None:
        self.told.append(("start", name, group, settings))

    def log(self, values: Mapping[str, float], step: int) -> None:
        self.told.append(("log", values, step))

    def finish(self) -> None:
        self.told.append(("finish",))


def with_curve(folder: Path) -> Record:
    (record,) = run_tiny(folder, baselines=False)
    assert record.outcome is not None
    rows = [{"epoch": 5.0, "loss": 2.5}, {"epoch": 10.0, "loss": float("nan"), "ndcg": 0.5}]
    return record.model_copy(
        update={"outcome": record.outcome.model_copy(update={"curves": {"train": rows}})}
    )


def test_a_record_is_one_run_with_curves_figures_and_seconds(tmp_path: Path) -> None:
    record, kept = with_curve(tmp_path), Kept()
    tell(record, kept)
    start, first, second, last, finish = kept.told
    assert start[1:3] == (f"hashed/nearest-free/echo/s0/{record.run_id}", "tiny")
    assert first == ("log", {"train/loss": 2.5}, 5)
    assert second == ("log", {"train/ndcg": 0.5}, 10)
    assert record.outcome is not None
    values = last[1]
    assert isinstance(values, dict)
    assert values["recall@10"] == record.outcome.figures["recall@10"].value
    assert values["seconds/train"] == record.provenance.costs["train"].seconds
    assert finish == ("finish",)


def test_settings_are_flat_and_a_failed_record_is_told_its_error(tmp_path: Path) -> None:
    record, kept = with_curve(tmp_path), Kept()
    assert settings_of(record)["tokenizer"] == "hashed"
    assert settings_of(record)["encoder"] == "letters"
    bad = record.model_copy(update={"status": "failed", "outcome": None, "error": "out of ink"})
    tell(bad, kept)
    assert [told[0] for told in kept.told] == ["start", "finish"]
    assert settings_of(bad)["error"] == "out of ink"


def test_tensorboard_reads_what_was_told(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (record,) = run_tiny(tmp_path, baselines=False)
    assert record.outcome is not None
    words = ["track", str(tmp_path / "results"), "--to", "tensorboard"]
    assert main([*words, "--out", str(tmp_path / "runs")]) == 0
    (file,) = (tmp_path / "runs/tiny").rglob("events.*")
    read = EventAccumulator(str(file.parent))
    read.Reload()
    (event,) = read.Scalars("recall_at_10")
    assert event.value == pytest.approx(record.outcome.figures["recall@10"].value, abs=1e-6)
    assert len(read.Tags()["scalars"]) >= len(record.outcome.figures)


@pytest.mark.parametrize("name", TRACKERS)
def test_an_absent_tracker_names_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    assert main(["track", str(tmp_path), "--to", name, "--out", str(tmp_path / "runs")]) == 1
    assert f"pip install 'tokbench[{name}]'" in capsys.readouterr().err
    assert tuple(TRACKERS) == command.TRACKERS

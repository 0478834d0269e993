"""Records as a DataFrame, and what a record shows of itself."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import tokbench
from tests.pipeline.test_grid import run_tiny
from tokbench.errors import RecordError
from tokbench.schema.notebook import html_table
from tokbench.schema.record import Record


def failed(record: Record) -> Record:
    return record.model_copy(update={"status": "failed", "outcome": None, "error": "out of <ink>"})


def test_a_row_says_what_was_run_and_what_came_out(tmp_path: Path) -> None:
    (record,) = run_tiny(tmp_path, baselines=False)
    assert record.outcome is not None
    frame = tokbench.load_results(tmp_path / "results")
    (row,) = frame.to_dict("records")
    assert row["run_id"] == record.run_id
    assert (row["method"], row["generator"]) == ("hashed", "echo")
    assert (row["dataset"], row["status"], row["baseline"]) == ("tiny", "done", False)
    assert (row["tokenizer_seed"], row["users"]) == (0, record.outcome.users)
    assert row["seconds"] == sum(cost.seconds for cost in record.provenance.costs.values())
    for name, figure in record.outcome.figures.items():
        assert row[name] == figure.value
        if figure.low is not None:
            assert (row[f"{name} low"], row[f"{name} high"]) == (figure.low, figure.high)
    assert f"{record.outcome.figures['recall@10'].value:.4f}" in repr(record)
    (path,) = (tmp_path / "results").rglob("*.json")
    pd.testing.assert_frame_equal(tokbench.load_results(str(path)), frame)
    pd.testing.assert_frame_equal(tokbench.load_results([record]), frame)


def test_a_failed_run_is_a_row_without_figures(tmp_path: Path) -> None:
    (record,) = run_tiny(tmp_path, baselines=False)
    frame = tokbench.load_results([record, failed(record)])
    assert frame["status"].tolist() == ["done", "failed"]
    assert frame["error"].isna().tolist() == [True, False]
    assert frame["recall@10"].isna().tolist() == [False, True]


def test_a_folder_without_records_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no records under"):
        tokbench.load_results(tmp_path)


def test_a_record_is_short_in_words_and_escaped_in_html(tmp_path: Path) -> None:
    (record,) = run_tiny(tmp_path, baselines=False)
    assert str(record) == repr(record)
    assert "hashed/nearest-free/echo, tiny, profile paper, seed 0: recall@10 0." in repr(record)
    assert len(repr(record)) < 300
    assert "out of <ink>" in repr(failed(record))
    html = failed(record)._repr_html_()
    assert "out of &lt;ink&gt;" in html and "<ink>" not in html
    assert html_table("<a>", {"<b>": "<c>"}, "<d>").count("&lt;") == 4

"""`tokbench verify --rerun` computes cells again, and leaves out what is no record."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokbench.cli import main

RUN = ["run", "--dataset", "toy", "--encoder", "tfidf", "--profile", "toy", "--tokenizer", "random",
       "--generator", "popularity", "--no-baselines"]  # fmt: skip


def test_a_cell_comes_out_the_same_and_a_bad_file_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    assert main([*RUN, "--results", str(results), "--cache", str(tmp_path / "cache")]) == 0
    assert main(["verify", str(results), "--rerun", "3", "--draw", "1"]) == 0
    assert "(--draw 1): 1 the same, 0 different, 0 without a verdict" in capsys.readouterr().out
    (results / "toy" / "bad.json").write_text("{}")
    assert main(["verify", str(results), "--rerun", "3"]) == 1
    assert "1 the same, 0 different" in capsys.readouterr().out

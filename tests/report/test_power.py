"""What a board can see: components by hand, and the command's table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.test_grid import run_tiny
from tokbench.cli import main
from tokbench.report.board import page
from tokbench.report.power import powers, tables
from tokbench.report.result_set import ResultSet
from tokbench.stats.power import components, detectable, runs_needed, users_needed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("power")
    run_tiny(folder, tokenizers=("hashed", "hashed:wide"), seeds=(0, 1, 2), baselines=False,
             collision_policies=("none",))  # fmt: skip
    return folder / "results"


def test_the_table_is_what_stats_says_of_the_two_rows(folder: Path) -> None:
    results = ResultSet.read(folder)
    (board,) = results.boards
    a, b = (board.sample(row, "ndcg@10") for row in board.rows)
    parts = components([a, b])
    (one,) = powers(board, "ndcg@10")
    assert (one.family, one.rows, one.runs, one.users) == ("semantic", 2, 3, 8)
    assert one.parts == parts
    ((row,),) = (table.rows for table in tables(results, figure="ndcg@10", wished=0.5))
    mean = (a.mean + b.mean) / 2
    seen = detectable(parts, runs=3, users=8, rows=2)
    assert row[:5] == ("tiny", "semantic", 2, 8, 3)
    assert row[5] == pytest.approx(mean)
    assert row[6] == "", "one run finds nothing"
    assert row[7] == f"{seen:.4f} ({100 * seen / mean:.1f} %)"
    assert row[10] == (runs_needed(0.5 * mean, parts, users=8, rows=2) or "never")
    assert row[11] == (users_needed(0.5 * mean, parts, runs=3, rows=2) or "never")
    (headline,) = powers(board, "recall@10")
    assert f"a difference of {headline.detectable(3)[0]:.4f} (" in page(results)


def test_the_command_prints_it_and_says_what_it_wants(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["power", str(folder), "--format", "markdown", "--figure", "ndcg@10"]
    assert main([*words, "--wished", "50%"]) == 0
    half = capsys.readouterr().out
    assert "users needed for 50 %" in half
    assert main([*words, "--wished", "0.5"]) == 0
    assert capsys.readouterr().out == half
    assert main([*words, "--wished", "much"]) != 0
    assert "'much' is no share above 0" in capsys.readouterr().err
    run_tiny(tmp_path, baselines=False)
    assert main(["power", str(tmp_path / "results")]) == 0
    assert "--seeds 3" in capsys.readouterr().err

"""`run`, `plan` and `report` on a grid file, as a user types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_cli import shop
from tokbench.cli import main

FIGURE = """
title = "Sizes"
[source]
paper = "P"
place = "Figure 0"
[run]
datasets = ["nowhere"]
tokenizers = ["random"]
generators = ["popularity"]
[[panels]]
name = "K"
figure = "ndcg@10"
x = { option = "tokenizer.codebook_size", symbol = "K", values = [2, 4, 8] }
[[claims]]
says = "it rises"
panel = "K"
figures = ["ndcg@10"]
order = [2, 4, 8]
"""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A file and what is given beside it; K = 2 has too few tuples for the items."""
    shop(tmp_path / "shop")
    file = tmp_path / "sizes.toml"
    file.write_text(FIGURE)
    return [str(file), "--dataset", str(tmp_path / "shop"), "--encoder", "tfidf",
            "--results", str(tmp_path / "results")]  # fmt: skip


def test_a_file_is_planned_run_and_reported(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    cache = ["--cache", str(tmp_path / "cache")]
    assert main(["plan", *words, *cache]) == 0
    assert "random [codebook_size=8]" in capsys.readouterr().out.replace("\n", " ")
    assert main(["report", "grid", *words]) == 1
    assert "run them with `tokbench run" in capsys.readouterr().err
    assert main(["run", *words, *cache]) == 1, "K = 2 fails, the grid goes on"
    capsys.readouterr()
    out = tmp_path / "drawn"
    assert main(["report", "grid", *words, "--format", "markdown", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "| K | K = 2 | ndcg@10 | 0 |  |  | collision policy nearest-free" in said
    assert "| K | K = 8 | ndcg@10 | 1 | 0." in said
    assert "cannot tell: it rises" in said
    assert "K = 2: collision policy nearest-free" in said
    stem = "sizes-shop-paper-nearest-free-popularity"
    assert sorted(path.name for path in out.iterdir()) == [f"{stem}.png", f"{stem}.svg"]


def test_a_file_reports_only_its_own_cells(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Records of the same rows under another seed are not mixed in."""
    cache = ["--cache", str(tmp_path / "cache")]
    main(["run", *words, *cache, "--seed", "7"])
    capsys.readouterr()
    assert main(["report", "grid", *words]) == 1, "the baselines are there, no point is"
    assert "run them with `tokbench run" in capsys.readouterr().err


def test_a_file_and_a_folder_are_not_confused(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", words[0]]) == 2
    assert f"for a grid file `tokbench report grid {words[0]}`" in capsys.readouterr().err
    assert main(["report", "grid", str(tmp_path)]) == 2
    assert "is a directory" in capsys.readouterr().err


def test_without_a_file_a_dataset_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--tokenizer", "random"]) == 2
    assert "--dataset, or give a grid file" in capsys.readouterr().err

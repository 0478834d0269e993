"""A newcomer's path, word for word as README and docs have it after `make demo`: an own tokenizer,
an own csv, a comparison, a site."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from tokbench.cli import main

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
TINY = ["--encoder", "tfidf", "--profile", "toy", "--no-baselines"]


def write_logs(folder: Path) -> None:
    """A shop's logs as two csv files: 40 customers who walk round a ring of 30 products."""
    folder.mkdir()
    with (folder / "purchases.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "item_id", "timestamp"])
        writer.writerows([f"c{u}", f"p{(u + k) % 30}", 1_700_000_000 + 60 * k]
                         for u in range(40) for k in range(6))  # fmt: skip
    with (folder / "items.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["item_id", "title"])
        colours = ("red", "green", "blue", "grey", "black")
        writer.writerows([f"p{n}", f"{colours[n % 5]} pen of {n} grams"] for n in range(30))


def test_a_newcomer_arrives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKBENCH_CACHE", str(tmp_path / "cache"))

    def tokbench(*words: str) -> str:
        status = main(list(words))
        said = capsys.readouterr()
        assert status == 0, said.err
        assert "Traceback" not in said.err
        return said.out

    (code,) = (b for b in re.findall(r"```python\n(.*?)```", README, re.S) if "hookimpl" in b)
    Path("pca_bins.py").write_text(code)
    shown = tokbench("run", "--plugin", "pca_bins.py", "--tokenizer", "pca-bins", "--dataset",
                     "toy", *TINY)  # fmt: skip
    assert "pca-bins" in shown and "R@10" in shown

    write_logs(tmp_path / "logs")
    tokbench("data", "import", "logs/purchases.csv", "--items", "logs/items.csv", "--out", "mine")
    tokbench("data", "check", "mine")
    assert "red pen of 0 grams" in tokbench("data", "show", "mine", "--items", "1")
    tokbench("run", "--dataset", "mine", "--tokenizer", "random", "--tokenizer",
             "hierarchical-kmeans", *TINY)  # fmt: skip

    said = tokbench("compare", "hierarchical-kmeans", "random", "--dataset", "mine")
    assert "Difference" in said and "40 users" in said
    assert "mine" in tokbench("report")
    tokbench("verify", "results")
    tokbench("report", "site", "--out", "site")
    first = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    assert "hierarchical-kmeans" in first and "pca-bins" in first

"""`tokbench report site`: a site from a folder of records, titles on request only."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.test_cli import run_words, shop
from tests.report.site.pages import Page
from tokbench.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop and the records of a run on it, with an option that its readings depend on."""
    folder = tmp_path_factory.mktemp("shop")
    shop(folder / "shop")
    words = run_words(folder, "--set", "dataset.template=Named {title}.")
    assert main(words) == 0
    return folder


def report(folder: Path, site: Path, *more: str) -> int:
    return main(["report", "site", str(folder / "results"), "--out", str(site), *more])


def test_the_site_is_written_and_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert report(folder, tmp_path) == 0
    count = len(list((folder / "results").rglob("*.json")))
    assert f"{tmp_path}/index.html: {count} runs" in capsys.readouterr().out
    for run in (tmp_path / "runs").iterdir():
        text = " ".join(Page(run).text.split())
        assert "verified every figure was counted again" in text
        assert "what the encoder reads" in text, "options are explained"
        assert "Named {title}. changed default" in text


def test_titles_are_written_on_request_only(folder: Path, tmp_path: Path) -> None:
    assert report(folder, tmp_path / "plain") == 0
    files = list((tmp_path / "plain").rglob("*.html"))
    assert files and not any("red green number 0" in path.read_text() for path in files)
    assert report(folder, tmp_path / "titled", "--titles", str(folder / "shop")) == 0
    (tree,) = (tmp_path / "titled/trees").iterdir()
    assert "red green number 0" in tree.read_text()


def test_titles_of_other_data_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copytree(folder / "shop", tmp_path / "shop")
    items = other / "items.jsonl"
    items.write_text(items.read_text().replace("red green", "red grey"))
    assert report(folder, tmp_path / "site", "--titles", str(other)) == 1
    assert "no record here was made from these data" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_a_record_that_does_not_add_up_says_so(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "results", tmp_path / "results")
    record = next((tmp_path / "results").rglob("*random*.json"))
    data = json.loads(record.read_text())
    data["outcome"]["figures"]["recall@10"]["value"] += 1e-6
    data.pop("digest")  # a forger makes it again
    record.write_text(json.dumps(data))
    assert report(tmp_path, tmp_path / "site") == 0
    page = Page(tmp_path / "site/runs" / f"{record.stem.rpartition('_')[2]}.html")
    assert "does not verify" in page.text and "its users say" in page.text

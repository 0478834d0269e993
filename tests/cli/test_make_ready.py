"""`tokbench run --dataset NAME` prepares what is missing: once asked for, from a local mirror."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.official.official_files import python_literals, write_gz
from tokbench.cli import main
from tokbench.ingest.download import RawFile
from tokbench.ingest.official import official

NAMES = ("reviews_Beauty_5.json.gz", "meta_Beauty.json.gz")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The official files of beauty on the loopback, and empty folders for data and downloads."""
    site = tmp_path / "site"
    site.mkdir()
    reviews: list[dict[str, Any]] = [
        {"reviewerID": f"U{u}", "asin": f"B{i}", "unixReviewTime": 86_400 * i}
        for u in range(8) for i in range(8) if i != u
    ]  # fmt: skip
    meta: list[dict[str, Any]] = [{"asin": f"B{i}", "title": f"Soap {i}"} for i in range(8)]
    write_gz(site / NAMES[0], python_literals(reviews))
    write_gz(site / NAMES[1], python_literals(meta))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        urls = [RawFile(name, (f"http://127.0.0.1:{server.server_port}/{name}",)) for name in NAMES]
        beauty = official.DATASETS["beauty"]
        source = replace(beauty.sources["2014-5core"], files=tuple(urls))
        here = replace(beauty, sources={"2014-5core": source})
        monkeypatch.setitem(official.DATASETS, "beauty", here)
        monkeypatch.setenv("TOKBENCH_DATA", str(tmp_path / "data"))
        monkeypatch.setenv("TOKBENCH_CACHE", str(tmp_path / "cache"))
        yield
        server.shutdown()


def words(folder: Path, *more: str) -> list[str]:
    return ["run", "-d", "beauty", "-t", "random", "-g", "popularity", "-e", "tfidf",
            "--no-baselines", "--results", str(folder / "results"), *more]  # fmt: skip


@pytest.mark.usefixtures("mirror")
def test_yes_downloads_prepares_and_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path, "--yes")) == 0
    said = capsys.readouterr()
    assert "dataset beauty is not prepared: Amazon 2014, Beauty, 5-core" in said.err
    assert "terms: research use with citation" in said.err
    assert f"{NAMES[0]} from http://127.0.0.1" in said.err and "(0.0 MB)" in said.err
    assert "22363" in said.out.replace(",", ""), "the published counts beside ours"
    assert len(list((tmp_path / "results").rglob("*.json"))) == 1
    assert main(words(tmp_path, "--seed", "1")) == 0
    assert "not prepared" not in capsys.readouterr().err, "it is asked for once"


@pytest.mark.usefixtures("mirror")
def test_without_a_terminal_nothing_is_downloaded_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path)) == 1
    said = capsys.readouterr().err
    assert "--yes prepares it" in said and "tokbench data prepare beauty" in said
    assert not (tmp_path / "data").exists()
    assert not list((tmp_path / "cache").rglob("*.gz"))


@pytest.mark.usefixtures("mirror")
def test_the_list_says_what_is_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def row(name: str) -> str:
        assert main(["list", "datasets", "--format", "csv"]) == 0
        lines = capsys.readouterr().out.splitlines()
        (line,) = (line for line in lines if line.startswith(f"datasets,{name},"))
        return line.removeprefix("datasets,")

    assert row("beauty").startswith("beauty,download,22363,12101,")
    assert row("yelp").startswith("yelp,by hand,")
    assert main(words(tmp_path, "--yes")) == 0
    capsys.readouterr()
    assert row("beauty").startswith("beauty,yes,8,8,")

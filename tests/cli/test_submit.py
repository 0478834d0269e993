"""Records to a repository and back, with real git repositories on disk."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_cli import run_words, shop
from tokbench.cli import main

GIT = ("git", "-c", "user.name=me", "-c", "user.email=me@example.org")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of records with a README and an empty results folder."""
    folder = tmp_path / "records.git"
    (folder / "results").mkdir(parents=True)
    (folder / "results/.keep").touch()
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "start"]):
        subprocess.run([*GIT, *words], cwd=folder, check=True)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "me")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "me@example.org")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKBENCH_DATA", str(tmp_path))
    return folder


def submit(repository: Path, *more: str) -> int:
    return main(["submit", "results", "--repository", str(repository), *more])


def merge(repository: Path, clone: Path, branch: str) -> None:
    """As a maintainer who accepts the pull request."""
    subprocess.run([*GIT, "pull", "-q", str(clone.resolve()), branch], cwd=repository, check=True)


def test_records_are_checked_committed_and_fetched_by_others(
    tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop(tmp_path / "shop")
    assert main(run_words(tmp_path, "--seeds", "2")) == 0
    capsys.readouterr()
    files = sorted((tmp_path / "results").rglob("*.json"))
    assert submit(repository) == 0
    said = capsys.readouterr()
    assert "bit for bit" in said.err, "one cell was computed again"
    assert f"{len(files)} records on branch records-" in said.out
    branch = said.out.split("on branch ")[1].split(" ")[0]
    assert f"push origin {branch}" in said.out
    merge(repository, tmp_path / "records-clone", branch)

    assert main(["pull", "--repository", str(repository), "--out", "others"]) == 0
    found = {path.name: path.read_bytes() for path in (tmp_path / "others").rglob("*.json")}
    assert found == {path.name: path.read_bytes() for path in files}
    assert "0 new" not in capsys.readouterr().out
    assert main(["report", "others"]) == 0
    assert submit(repository, "--clone", "again", "--rerun", "0") == 1
    assert "has all of these" in capsys.readouterr().err


def test_what_does_not_follow_is_not_prepared(
    tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop(tmp_path / "shop")
    assert main(run_words(tmp_path, "--no-baselines")) == 0
    (path,) = (tmp_path / "results").rglob("*.json")
    record = json.loads(path.read_text())
    record["outcome"]["figures"]["recall@10"]["value"] = 0.99
    path.write_text(json.dumps(record))
    capsys.readouterr()
    assert submit(repository) == 1
    assert "nothing prepared" in capsys.readouterr().err
    assert not (tmp_path / "records-clone").exists()


def test_damaged_records_of_others_are_named_and_left_out(
    tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "results/bad.json").write_text("{}")
    for words in (["add", "."], ["commit", "-q", "-m", "bad"]):
        subprocess.run([*GIT, *words], cwd=repository, check=True)
    assert main(["pull", "--repository", str(repository), "--out", "others"]) == 0
    said = capsys.readouterr()
    assert "left out: bad.json" in said.err and "0 new records" in said.out
    assert main(["pull", "--repository", str(tmp_path / "none"), "--out", "others"]) == 1
    assert "git clone" in capsys.readouterr().err

"""A package that `tokbench new` starts works at once: its test, its entry point, its row."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tokbench.cli import main
from tokbench.errors import ConfigError
from tokbench.registry.registry import build_registry
from tokbench.scaffold import start_package

ROOT = Path(__file__).parent.parent


@pytest.fixture
def package(tmp_path: Path) -> Path:
    assert main(["new", "tokenizer", "my-tok", "--out", str(tmp_path / "mine")]) == 0
    return tmp_path / "mine"


def test_its_own_test_passes(package: Path) -> None:
    environment = os.environ | {"PYTHONPATH": f"{package}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    done = subprocess.run(
        command, cwd=package, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_its_own_test_can_fail(package: Path) -> None:
    """The generated test is no decoration: break the module, and it says so."""
    module = package / "my_tok.py"
    module.write_text(module.read_text().replace("default_rng(seed)", "default_rng()"))
    environment = os.environ | {"PYTHONPATH": f"{package}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, cwd=package, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "same seed same codes" in done.stdout


def test_its_entry_point_is_found_once_installed(
    package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Installed as pip would: the module on the path, and its metadata beside it."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    info = package / "my_tok-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = "".join(f"{k} = {v}\n" for k, v in project["entry-points"]["tokbench"].items())
    (info / "entry_points.txt").write_text(f"[tokbench]\n{points}")
    monkeypatch.syspath_prepend(package)
    entry = build_registry().get("tokenizer", "my-tok")
    assert entry.origin == "package my-tok 0.1.0"
    capsys.readouterr()
    assert main(["check", "my-tok"]) == 0
    assert "0 broken" in capsys.readouterr().out


def test_it_makes_a_row_as_a_single_file(package: Path, tmp_path: Path) -> None:
    words = [
        "run", "--dataset", "toy", "--tokenizer", "my-tok", "--plugin", str(package / "my_tok.py"),
        "--encoder", "tfidf", "--generator", "popularity", "--profile", "toy", "--no-baselines",
        "--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache"),
    ]  # fmt: skip
    assert main(words) == 0
    assert len(list((tmp_path / "results").rglob("*.json"))) == 1


def test_nothing_is_overwritten(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (package / "my_tok.py").write_text("# my work\n")
    assert main(["new", "tokenizer", "my-tok", "--out", str(package)]) == 1
    assert "already there" in capsys.readouterr().err
    assert (package / "my_tok.py").read_text() == "# my work\n"


@pytest.mark.parametrize("name", ["My-Tok", "1st", "a--b", "class", "../up", "a_b", ""])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no name for a component"):
        start_package("tokenizer", name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_other_kinds_have_no_template_yet(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there are templates for tokenizer"):
        start_package("metric", "my-metric", tmp_path)

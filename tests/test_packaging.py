"""What is shipped: the source archive, the wheel, the version, and the files that cite it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

import tokbench

ROOT = Path(__file__).parent.parent
ABOUT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive, and the wheel that was built from it."""
    out = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def sources() -> set[str]:
    """Every file of the package in this checkout."""
    files = (path for path in (ROOT / "tokbench").rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in files if path.suffix != ".pyc"}


def test_the_source_archive_has_the_package_and_no_records(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {member.name.partition("/")[2] for member in tar.getmembers()}
    assert sources() <= names
    more = {name for name in names if not name.startswith("tokbench/")}
    assert more == {
        ".gitignore", "CHANGELOG.md", "CITATION.cff", "LICENSE", "PKG-INFO", "README.md",
        "pyproject.toml",
    }  # fmt: skip
    assert archive.stat().st_size < 1_000_000


def test_the_wheel_has_every_file_of_the_package_and_runs(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path)
    assert {name for name in names if ".dist-info/" not in name} == sources()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for words in (["--version"], ["list", "tokenizers"]):
        done = subprocess.run(
            [sys.executable, "-m", "tokbench", *words], cwd=tmp_path, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert (
            ("cost" in done.stdout)
            if words[0] == "list"
            else done.stdout.endswith(f"version {tokbench.__version__}\n")
        )


def test_the_wheel_describes_itself(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = archive.read(name).decode()
    assert f"\nVersion: {tokbench.__version__}\n" in metadata
    assert "\nLicense-Expression: Apache-2.0\n" in metadata


def test_the_citation_is_of_this_version_and_licence() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= cited.keys(), "what the format asks for"
    assert cited["version"] == tokbench.__version__
    assert cited["license"] == ABOUT["license"]
    assert set(cited["keywords"]) == set(ABOUT["keywords"])
    for work in (cited, *cited["references"]):
        assert work["type"] and work["title"]
        for author in work["authors"]:
            assert author.keys() in ({"name"}, {"family-names", "given-names"}), author


def test_the_pythons_named_are_those_tested_and_allowed() -> None:
    named = re.findall(r"Python :: (3\.\d+)", " ".join(ABOUT["classifiers"]))
    check = yaml.safe_load((ROOT / ".github/workflows/check.yml").read_text(encoding="utf-8"))
    assert check["jobs"]["check"]["strategy"]["matrix"]["python"] == named
    assert ABOUT["requires-python"] == f">={named[0]},<3.{int(named[-1][2:]) + 1}"


def test_the_container_copies_what_the_build_reads() -> None:
    """The image itself is not built here: only what it takes from the checkout is looked at."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = {word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]}
    assert {"pyproject.toml", "README.md", "LICENSE", "tokbench"} <= copied
    assert all((ROOT / name).exists() for name in copied)
    let_in = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in let_in if line.startswith("!")} == copied
    (extras,) = re.findall(r'"\.\[(.*)\]"', "\n".join(lines))
    assert set(extras.split(",")) <= ABOUT["optional-dependencies"].keys()


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tokbench", "show", "nothing-of-the-kind"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")

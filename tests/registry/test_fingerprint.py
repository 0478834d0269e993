"""A stored result of a plugin is stale as soon as any code that it stands for is another."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tokbench.api import Component
from tokbench.registry.fingerprint import fingerprint
from tokbench.registry.registry import Entry
from tokbench.registry.source import ROOT
from tokbench.tokenizers.cost import Cost

HALVES = """
from tokbench.tokenizers.cost import Cost
from theirs.terms import WEIGHT

class Theirs(Cost):
    name = "theirs"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "__init__.py").write_text(HALVES)
    (folder / "terms.py").write_text("WEIGHT = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "theirs"]:
        del sys.modules[name]


def theirs() -> type[Component]:
    found: type[Component] = importlib.import_module("theirs").Theirs
    return found


def test_the_same_code_has_the_same_fingerprint(package: Path) -> None:
    assert fingerprint(theirs()) == fingerprint(theirs())
    assert fingerprint(theirs()).startswith("theirs#")


def test_another_file_of_the_package_counts(package: Path) -> None:
    before = fingerprint(theirs())
    (package / "terms.py").write_text("WEIGHT = 2\n")
    assert fingerprint(theirs()) != before


def test_a_file_more_counts_and_its_name_too(package: Path) -> None:
    seen = {fingerprint(theirs())}
    (package / "more.py").write_text("")
    seen.add(fingerprint(theirs()))
    (package / "more.py").rename(package / "other.py")
    seen.add(fingerprint(theirs()))
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("module", "counts"),
    [
        ("tokenizers/cost", True),
        ("tokenizers/rqvae", True),  # which cost derives from
        ("nn/quantizer/fit", True),  # which rqvae imports when it trains
        ("tokenizers/hierarchical_kmeans", False),
        ("types", False),
    ],
)
def test_code_that_is_imported_from_tokbench_counts(
    package: Path, monkeypatch: pytest.MonkeyPatch, module: str, counts: bool
) -> None:
    read, target = Path.read_text, ROOT / "tokbench" / f"{module}.py"
    before = fingerprint(theirs())
    monkeypatch.setattr(
        Path, "read_text", lambda path, **k: read(path, **k) + "\nX = 1\n" * (path == target)
    )
    assert (fingerprint(theirs()) != before) == counts


def test_comments_in_what_is_imported_do_not_count(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, before = Path.read_text, fingerprint(theirs())
    monkeypatch.setattr(Path, "read_text", lambda path, **k: read(path, **k) + "\n# remark\n")
    assert fingerprint(theirs()) == before


def test_what_lies_beside_a_module_of_one_file_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alone_here.py").write_text(HALVES.replace("from theirs.terms import WEIGHT", ""))
    monkeypatch.syspath_prepend(tmp_path)
    cls = importlib.import_module("alone_here").Theirs
    before = fingerprint(cls)
    (tmp_path / "neighbour.py").write_text("")
    assert fingerprint(cls) == before
    del sys.modules["alone_here"]


def test_a_plugin_that_derives_from_a_plugin_depends_on_its_sources(package: Path) -> None:
    class Mine(theirs()):  # type: ignore[misc]
        name = "mine"

    before = fingerprint(Mine)
    (package / "terms.py").write_text("WEIGHT = 3\n")
    assert fingerprint(Mine) != before


def test_a_built_in_has_the_version_set_by_hand() -> None:
    entry = Entry("tokenizer", "cost", Cost, "tokbench.tokenizers", "built-in")
    assert entry.fingerprint == f"cost@{Cost.version}"

"""Every folder under plugins/ is a complete package: metadata, source, tests, a component."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from tokbench.registry.registry import KINDS

CATALOGUE = Path(__file__).parent.parent / "plugins"
PACKAGES = sorted(path for path in CATALOGUE.iterdir() if path.is_dir() and path.name[0] != ".")


def named(package: Path) -> str:
    return package.name


def project(package: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    return found


def test_the_catalogue_is_not_empty() -> None:
    assert len(PACKAGES) >= 2


@pytest.mark.parametrize("package", PACKAGES, ids=named)
def test_its_metadata_installs_beside_the_others(package: Path) -> None:
    """One naming rule, so that no package or module takes a name that is not ours."""
    about = project(package)
    assert about["name"] == f"tokbench-{package.name}"
    assert about["license"] == "Apache-2.0"
    assert about["requires-python"] == ">=3.11"
    assert any(need.startswith("tokbench") for need in about["dependencies"])
    assert about["entry-points"].keys() == {"tokbench"}
    for module in about["entry-points"]["tokbench"].values():
        assert module.startswith("tokbench_"), f"{module} could be anybody's"


@pytest.mark.parametrize("package", PACKAGES, ids=named)
def test_its_readme_cites_the_source_and_says_what_was_checked(package: Path) -> None:
    text = (package / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {package.name}\n")
    assert re.search(r"https://(arxiv\.org/abs/\d{4}\.\d{4,5}|doi\.org/10\.)", text), "no citation"
    assert "## Checked against the source" in text
    assert f"tokbench check {package.name}" in text


@pytest.mark.parametrize("package", PACKAGES, ids=named)
def test_it_has_tests_that_run_the_kit(package: Path) -> None:
    tests = list((package / "tests").glob("test_*.py"))
    assert tests
    assert any("assert_conforms(" in test.read_text(encoding="utf-8") for test in tests)


@pytest.mark.parametrize("package", PACKAGES, ids=named)
def test_its_entry_point_loads_and_offers_cited_components(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its heavier dependencies, too: those are imported where they are used."""
    monkeypatch.syspath_prepend(package)
    names = []
    for name, module in project(package)["entry-points"]["tokbench"].items():
        loaded = EntryPoint(name, module, "tokbench").load()
        for kind, base in KINDS.items():
            for cls in getattr(loaded, f"register_{kind}s", list)():
                assert issubclass(cls, base)
                assert cls.citation
                names.append(cls.name)
    assert package.name in names

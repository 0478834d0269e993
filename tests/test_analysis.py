"""The analysis page is made from the committed records, and says so only where they allow it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.test_grid import run_tiny
from tokbench.record import read_records

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def analysis() -> ModuleType:
    spec = importlib.util.spec_from_file_location("analysis_page", ROOT / "docs/analysis_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_committed_page_is_made_from_the_committed_records(analysis: ModuleType) -> None:
    text = (ROOT / "docs/analysis.md").read_text(encoding="utf-8")
    assert text == analysis.page(read_records(ROOT / "results")), "run `make board`"


def test_gaps_are_named(analysis: ModuleType, tmp_path: Path) -> None:
    text = analysis.page(run_tiny(tmp_path))
    assert "Not run yet: random, " in text
    assert "no row here crosses them" in text

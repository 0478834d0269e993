"""What verification found is remembered by content, code and place, and nothing else counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.pipeline.test_grid import run_tiny
from tokbench.verify import remembered as module
from tokbench.verify import verify as verify_module
from tokbench.verify.remembered import Remembered
from tokbench.verify.verify import verify


def test_a_file_is_counted_once_and_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tiny(tmp_path, seeds=(0, 1), baselines=False)
    results, memory = tmp_path / "results", tmp_path / "verified.json"
    counted: list[str] = []
    real = verify_module.verify_file

    def count(path: Path, root: Path) -> object:
        counted.append(path.name)
        return real(path, root)

    monkeypatch.setattr(verify_module, "verify_file", count)

    def look() -> tuple[list[str], list[str]]:
        counted.clear()
        known = Remembered(memory)
        found = [one.reason for one in verify(results, remembered=known)]
        known.save()
        return found, [*counted]

    first, second = sorted(results.rglob("*.json"))
    assert look() == ([], [first.name, second.name])
    assert look() == ([], [])
    data = json.loads(first.read_text())
    data["outcome"]["figures"]["recall@5"]["value"] += 0.5
    first.write_text(json.dumps(data))
    found, again = look()
    assert again == [first.name]
    assert any("recall@5" in reason for reason in found)
    assert look() == (found, []), "what is wrong is remembered too"
    second.rename(second.with_name("elsewhere.json"))
    found, again = look()
    assert again == ["elsewhere.json"]
    assert any("belongs at" in reason for reason in found)
    monkeypatch.setattr(module, "code_digest", lambda: "other code")
    assert len(look()[1]) == 2
    memory.write_text("{")
    assert len(look()[1]) == 2

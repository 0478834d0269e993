"""`tokbench cache`: sizes, damage by name, and cleaning that leaves what is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.components import registry_of
from tests.pipeline.test_grid import context_in, run_tiny, tiny_request
from tokbench.cli import main
from tokbench.pipeline.context import Callbacks
from tokbench.pipeline.grid import run_grid


def test_the_cache_is_listed_verified_and_cleaned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_tiny(tmp_path, baselines=False)
    where = ["--cache", str(tmp_path / "cache")]
    store = tmp_path / "cache/store"
    assert main(["cache", "list", *where]) == 0
    assert "generate" in capsys.readouterr().out
    assert main(["cache", "verify", *where]) == 0
    (folder,) = (store / "train").iterdir()
    (folder / "facts.json").write_text("{}")
    assert main(["cache", "verify", *where]) == 1
    out = capsys.readouterr().out
    assert f"{folder}: damaged" in out
    assert ", 1 damaged" in out
    assert main(["cache", "clean", *where]) == 0
    assert not folder.exists()
    assert len(list((store / "tokenize").iterdir())) == 1
    assert main(["cache", "clean", *where, "--older-than", "0"]) == 0
    assert not list(store.glob("[!lp]*/*"))


def test_damage_is_said_once_and_mended(tmp_path: Path) -> None:
    (first,) = run_tiny(tmp_path, baselines=False)
    for folder in (tmp_path / "cache/store/tokenize").iterdir():
        (folder / "arrays.npz").write_bytes(b"rot")
    for record in (tmp_path / "results").rglob("*.json"):
        record.unlink()
    notes: list[str] = []
    (again,) = run_grid(
        tiny_request(baselines=False),
        context_in(tmp_path),
        registry=registry_of(),
        callbacks=Callbacks(noted=lambda spec, text: notes.append(text)),
    )
    assert notes == ["tokenize: what the store has is damaged, it is built again"]
    assert again.outcome_digest() == first.outcome_digest()

"""The registry: built-ins come through the hooks, strangers cannot break it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.components import Hashed
from tokbench.errors import DuplicateComponentError, UnknownComponentError
from tokbench.registry.registry import Entry, Registry, build_registry

PLUGIN = """
from tokbench import SemanticIds, Tokenizer, hookimpl
import numpy as np

class Mine(Tokenizer):
    name = "{name}"
    def tokenize(self, catalog, *, seed, runtime):
        return SemanticIds(np.zeros((len(catalog), 1)), (1,))

@hookimpl
def {hook}():
    return [Mine]
"""


def plugin(folder: Path, *, name: str = "mine", hook: str = "register_tokenizers") -> Path:
    path = folder / "plugin.py"
    path.write_text(PLUGIN.format(name=name, hook=hook))
    return path


def test_every_kind_has_built_ins() -> None:
    registry = build_registry(entry_points=False)
    assert {"random", "rqvae", "cost", "hierarchical-kmeans", "item-id"} <= set(
        registry.names("tokenizer")
    )
    assert {"tiger", "popularity", "bigram"} <= set(registry.names("generator"))
    assert {"folder", "toy"} <= set(registry.names("dataset"))
    assert {"sentence-transformers", "minilm", "tfidf"} <= set(registry.names("encoder"))
    assert {"recall", "ndcg"} <= set(registry.names("metric"))
    assert registry.failures == []


def test_an_unknown_name_gets_near_matches() -> None:
    registry = build_registry(entry_points=False)
    with pytest.raises(UnknownComponentError, match="did you mean cost"):
        registry.get("tokenizer", "cots")


def test_a_plugin_file_registers_and_is_marked(tmp_path: Path) -> None:
    registry = build_registry([plugin(tmp_path)], entry_points=False)
    entry = registry.get("tokenizer", "mine")
    assert entry.origin == "file"
    before = entry.fingerprint
    path = plugin(tmp_path)
    path.write_text(path.read_text() + "# changed\n")
    after = build_registry([path], entry_points=False).get("tokenizer", "mine").fingerprint
    assert before != after, "editing a plugin's source changes what its stages are keyed by"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise SystemExit(3)", "SystemExit"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        (PLUGIN.format(name="mine", hook="register_tokenisers"), "register_tokenisers"),
        (PLUGIN.format(name="Not Good", hook="register_tokenizers"), "Not Good"),
        (PLUGIN.format(name="mine", hook="register_generators"), "no subclass of Generator"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_a_broken_plugin_is_isolated(tmp_path: Path, source: str, reason: str) -> None:
    path = tmp_path / "plugin.py"
    path.write_text(source)
    registry = build_registry([path], entry_points=False)
    assert [failure.plugin for failure in registry.failures] == [str(path)]
    assert reason in registry.failures[0].reason
    assert "cost" in registry.names("tokenizer")
    with pytest.raises(UnknownComponentError, match="failed to load"):
        registry.get("tokenizer", "mine")


def test_a_built_in_keeps_its_name(tmp_path: Path) -> None:
    registry = build_registry([plugin(tmp_path, name="cost")], entry_points=False)
    assert registry.get("tokenizer", "cost").origin == "built-in"
    assert "already registered" in registry.failures[0].reason


def test_two_strangers_with_one_name_are_both_named() -> None:
    registry = Registry()
    for owner in ("first", "second"):
        registry.add(Entry("tokenizer", "hashed", Hashed, owner, f"package {owner} 1.0"))
    with pytest.raises(DuplicateComponentError, match="first, second"):
        registry.get("tokenizer", "hashed")

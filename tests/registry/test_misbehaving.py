"""A tokenizer that misbehaves spoils its own row only: the grid goes on, whatever it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.components import registry_of
from tests.pipeline.test_grid import context_in, tiny_request
from tokbench.pipeline.grid import run_grid
from tokbench.registry.registry import build_registry

PLUGIN = """
import sys
import numpy as np
from tokbench import SemanticIds, Tokenizer, hookimpl

class Bad(Tokenizer):
    name = "bad"
    def tokenize(self, catalog, *, seed, runtime):
        n = len(catalog)
        {body}

@hookimpl
def register_tokenizers():
    return [Bad]
"""
WAYS = {
    "raises": ("raise KeyError('theirs')", "theirs"),
    "exits": ("sys.exit(3)", "SystemExit"),
    "nothing": ("return None", "expected SemanticIds, found NoneType"),
    "wrong type": ("return np.zeros((n, 2), int)", "expected SemanticIds, found an array"),
    "wrong shape": (
        "return SemanticIds(np.zeros((n - 1, 2), int), (4, 4))",
        "expected 12 rows of codes, found 11",
    ),
    "too few levels": ("return SemanticIds(np.zeros((n, 2), int), (4,))", "AssertionError"),
    "out of range": (
        "return SemanticIds(np.full((n, 1), 4), (4,))",
        "expected codes in [0, 4) at level 1, found codes from 4 to 4",
    ),
    "negative": ("return SemanticIds(np.full((n, 1), -1), (4,))", "found codes from -1 to -1"),
    "nan": (
        "return SemanticIds(np.full((n, 1), np.nan), (4,))",
        "nan of float64 is no int32: round it",
    ),
    "writes": ("catalog.embeddings[0] = 0", "read-only"),
}


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
@pytest.mark.parametrize(("body", "words"), WAYS.values(), ids=WAYS.keys())
def test_only_its_own_row_fails(tmp_path: Path, body: str, words: str) -> None:
    path = tmp_path / "bad_plugin.py"
    path.write_text(PLUGIN.format(body=body))
    entry = build_registry([path], entry_points=False).get("tokenizer", "bad")
    registry = registry_of()
    registry.add(entry)
    request = tiny_request(tokenizers=("bad", "hashed"), baselines=False)
    bad, good = run_grid(request, context_in(tmp_path), registry=registry)
    assert (bad.status, good.status) == ("failed", "done")
    assert bad.error is not None
    assert words in bad.error
    assert not bad.provenance.public
    assert good.provenance.public

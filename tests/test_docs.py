"""The documentation is executed, the seam is documented, and the public names are pinned."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

import tokbench
from tests.pipeline.test_grid import context_in
from tokbench.api import Config
from tokbench.pipeline.grid import run_grid
from tokbench.pipeline.resolve import make_request
from tokbench.registry import hookspecs
from tokbench.registry.registry import KINDS, build_registry

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_hook_is_documented_and_has_a_kind() -> None:
    hooks = {
        n: f for n, f in inspect.getmembers(hookspecs, inspect.isfunction) if n[:9] == "register_"
    }
    assert hooks.keys() == {f"register_{kind}s" for kind in KINDS}
    for name, hook in hooks.items():
        assert hook.__doc__ is not None and len(hook.__doc__.split()) > 15, name


def test_public_names_are_pinned() -> None:
    assert tokbench.__all__ == sorted(tokbench.__all__)
    assert set(tokbench.__all__) == {
        "Beams", "Catalog", "Config", "Dataset", "DatasetSource", "Encoder", "Generator",
        "GeneratorModel", "Histories", "Metric", "Placement", "Queries", "Record", "Runtime",
        "SemanticIds", "Sequences", "TokbenchError", "Tokenizer", "__version__", "hookimpl",
        "load_results", "option", "read_records", "run",
    }  # fmt: skip
    for name in tokbench.__all__:
        assert getattr(tokbench, name) is not None
        assert name in dir(tokbench)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tokbench.nothing


def test_every_option_of_every_built_in_is_described() -> None:
    registry = build_registry(entry_points=False)
    for kind in KINDS:
        for entry in registry.all(kind):
            assert inspect.getdoc(entry.cls), entry.name
            assert issubclass(entry.cls.Config, Config)
            for name, info in entry.cls.Config.model_fields.items():
                assert info.description, f"{entry.kind} {entry.name}: {name} has no description"
            for preset, options in entry.cls.presets.items():
                entry.cls.Config(**options)
                assert options, f"{entry.name}:{preset} changes nothing"


def test_the_readme_tokenizer_is_complete_and_works(tmp_path: Path) -> None:
    (code,) = (b for b in re.findall(r"```python\n(.*?)```", README, re.S) if "hookimpl" in b)
    assert len(code.splitlines()) <= 45
    path = tmp_path / "pca_bins.py"
    path.write_text(code)
    registry = build_registry([path], entry_points=False)
    assert registry.failures == []
    request = make_request(
        datasets=("toy",),
        tokenizers=("pca-bins",),
        generators=("popularity",),
        encoder="tfidf",
        baselines=False,
    )
    (record,) = run_grid(request, context_in(tmp_path), registry=registry)
    assert record.error is None and record.outcome is not None
    assert not record.provenance.public
    ids = record.outcome.read_ids()
    assert ids.level_sizes == (64, 64, 64)
    assert len(np.unique(ids.codes[:, 0])) == 64


def test_the_readme_names_only_what_exists() -> None:
    registry = build_registry(entry_points=False)
    for name, preset in re.findall(r"`([a-z-]+):([a-z-]+)`", README):
        (entry,) = registry.find(name)
        assert preset in entry.cls.presets, f"{name}:{preset}"


def test_the_readme_board_is_ten_rows_of_the_committed_one() -> None:
    table = README.split("<!-- board -->")[1].split("<!-- /board -->")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()[3:]
        if line.startswith("|")
    ]
    assert len(rows) == 10
    board = (ROOT / "results/BOARD.md").read_text(encoding="utf-8")
    board = board.split("### office-5core")[1].split("\n\n")[1]
    for method, generator, recall, interval, *_ in rows:
        (line,) = (
            line
            for line in board.splitlines()
            if method in line and f"| {generator or method} |" in line and f"| {interval} |" in line
        )
        assert f"| {recall} |" in line
    figures = [float(row[2]) for row in rows]
    assert figures == sorted(figures, reverse=True)
    assert sum(row[1] == "" for row in rows) == 4 and rows[-1][0].startswith("random")


def test_the_readme_is_one_screenful_of_reading() -> None:
    assert len(README.splitlines()) <= 150


def test_contributing_names_only_what_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"\b(?:tokbench|tests|docs|plugins|results)/[\w./-]*\w", text))
    assert len(paths) > 20
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_contributing_has_the_layers_that_are_held() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    drawn = [re.findall(r"\w+", line[:44]) for line in text.split("## Layers")[1].split("\n")
             if line.startswith("    ")]  # fmt: skip
    about = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    held = [
        re.findall(r"tokbench\.(\w+)", layer)
        for layer in about["tool"]["importlinter"]["contracts"][0]["layers"]
    ]
    assert drawn == [*held[:-3], ["api", "types", "errors"]]

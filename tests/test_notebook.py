"""docs/quickstart.ipynb is executed, cell by cell, at sizes that take seconds."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pandas as pd
import pytest

import tokbench
from tokbench.report.compare import Comparison

NOTEBOOK = Path(__file__).parent.parent / "docs/quickstart.ipynb"
SMALL = """
overrides = ["generator.epochs=1"]
tokenizers = ["hierarchical-kmeans", "random"]
baselines = False
seeds = [0]
"""


def run_cell(code: str, names: dict[str, object]) -> object:
    """Execute a cell; the value of its last line where that is an expression, as notebooks do."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if not isinstance(last, ast.Expr):
        return None
    value: object = eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307
    return value


def test_the_quickstart_runs_from_its_first_cell_to_its_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKBENCH_CACHE", str(tmp_path / "cache"))
    names: dict[str, object] = {}
    shown = []
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        tags = cell["metadata"].get("tags", [])
        if cell["cell_type"] != "code" or "install" in tags:
            continue
        shown.append(run_cell("".join(cell["source"]), names))
        if "parameters" in tags:
            run_cell(SMALL, names)
    record, table, means, found = (value for value in shown if value is not None)
    assert isinstance(record, tokbench.Record)
    assert record.outcome is not None, record.error
    assert isinstance(table, pd.DataFrame) and len(table) == 2
    assert isinstance(means, pd.DataFrame) and means["count"].tolist() == [1, 1]
    assert isinstance(found, Comparison)
    assert str(found) in capsys.readouterr().out
    # What a notebook prints of them is short, and is html:
    for value in (record, found):
        assert len(repr(value)) < 300
        assert value._repr_html_().startswith("<table>")
    assert repr(record.outcome).startswith("Outcome(1000 users, 300 items, recall@10 0.")


def test_the_notebook_is_kept_without_output() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    (install,) = (cell for cell in code if "install" in cell["metadata"].get("tags", []))
    assert len(install["source"]) == 1 and install["source"][0].startswith("%pip ")

"""Whatever the code prints as a name is explained in docs/glossary.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest

from tokbench.pipeline import stages
from tokbench.pipeline.resolve import Request
from tokbench.registry.registry import KINDS, build_registry
from tokbench.schema.run_spec import BASELINES
from tokbench.scoring.collisions import POLICIES
from tokbench.scoring.metrics import TIES

ROOT = Path(__file__).parent.parent
GLOSSARY = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
EXPLAINED = {
    name.strip("`")
    for text in re.findall(r"\*\*(.+?)\*\*|`([^`\n]+)`", GLOSSARY)
    for name in text
    if name
}
HEADS = re.compile("heads|HEADS|COLUMNS")


def general(head: str) -> str:
    """A head with its number of places as the glossary writes it: R@10 is R@k."""
    return re.sub(r"@\d+", "@k", head)


def printed_heads() -> Iterator[str]:
    """The heads of the tables that are kept in results/BOARD.md, names of datasets left out."""
    lines = (ROOT / "results/BOARD.md").read_text(encoding="utf-8").splitlines()
    tables = [above for above, line in pairwise(lines) if "| --- |" in line]
    datasets = {line.split(" ")[1] for line in lines if line.startswith("### ")}
    for line in tables:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        mean = cells.index("95 %") if "95 %" in cells else len(cells)  # then a column per dataset
        yield from (cell for cell in cells[: mean + 1] if cell not in datasets)


def written_heads(folder: Path) -> Iterator[str]:
    """The heads that the source of a package of tables spells out."""
    for path in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found: list[ast.expr] = []
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Column":
                found = node.args[:1]
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_titled":
                found = node.args[1:]
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                value = node.value
                if HEADS.fullmatch(node.targets[0].id) and isinstance(value, ast.List | ast.Tuple):
                    found = value.elts
            yield from (
                part.value
                for part in found
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value
            )


def test_heads_of_tables_are_explained() -> None:
    report, cli = ROOT / "tokbench/report", ROOT / "tokbench/cli"
    heads = {*printed_heads(), *written_heads(report), *written_heads(cli)}
    assert len(heads) > 50
    assert {general(head) for head in heads} - EXPLAINED == set()


def stage_names() -> list[str]:
    """The stages of a run, from the table of them."""
    return [stage.name for stage in stages.STAGES if stage.save]


NAMES = {
    "policies": list(POLICIES),
    "protocols": list(get_args(Request.model_fields["protocol"].annotation)),
    "profiles": list(get_args(Request.model_fields["profile"].annotation)),
    "tie rules": list(TIES),
    "stages": stage_names(),
    "kinds": list(KINDS),
    "baselines": list(BASELINES),
}


@pytest.mark.parametrize("what", NAMES)
def test_names_are_explained(what: str) -> None:
    assert len(NAMES[what]) > 1
    assert set(NAMES[what]) - EXPLAINED == set()


def test_what_the_glossary_calls_a_component_is_one() -> None:
    registry = build_registry(entry_points=False)
    text = GLOSSARY.replace("NAME:PRESET", "")
    for name, preset in re.findall(r"`([a-z-]+):([a-z-]+)`", text):
        (entry,) = registry.find(name)
        assert preset in entry.cls.presets, f"{name}:{preset}"

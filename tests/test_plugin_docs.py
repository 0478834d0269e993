"""The page of the contract is the one the code writes, and the tutorial's code conforms."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

from tokbench.cli import cli
from tokbench.registry.registry import KINDS, build_registry
from tokbench.testing import check, rules_of
from tokbench.testing.kit import name_of

DOCS = Path(__file__).parent.parent / "docs"
TUTORIAL = (DOCS / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TUTORIAL, re.S)
COMMANDS = re.findall(r"^    (tokbench .*)$", TUTORIAL, re.M)
SMALL: dict[str, Any] = {
    "codebook_size": 8, "latent_dim": 4, "hidden": (8,), "epochs": 2, "minimum_steps": 0,
    "minimum_distinct": 0.0,
}  # fmt: skip
QUICK: dict[str, dict[str, Any]] = {
    "cost-symmetric": SMALL,
    "cost-demand": SMALL,
    "residual-means": {"codebook_size": 16, "levels": 2},
}  # fmt: skip


README = (DOCS.parent / "README.md").read_text(encoding="utf-8")
COMPLETE = [b for b in re.findall(r"```python\n(.*?)```", README, re.S) if "hookimpl" in b]


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_contract_is_the_one_the_code_writes() -> None:
    page = loaded(DOCS / "plugins_page.py").page()
    committed = (DOCS / "plugins.md").read_text(encoding="utf-8")
    assert committed == page, "run `python docs/plugins_page.py` and commit docs/plugins.md"


def test_the_contract_has_every_hook_base_class_and_rule() -> None:
    page = (DOCS / "plugins.md").read_text(encoding="utf-8")
    for kind, base in KINDS.items():
        assert f"### `register_{kind}s() -> list[type[{base.__name__}]]`" in page
        assert f"### `{base.__name__}`" in page
        for rule in rules_of(kind):
            assert f"**{name_of(rule)}**" in page
    assert "`uses_interactions = False`: True: Catalog.interactions holds training rows" in page


@pytest.mark.parametrize("block", COMPLETE + [b for b in BLOCKS if "hookimpl" in b])
def test_the_documented_tokenizers_conform(tmp_path: Path, block: str) -> None:
    path = tmp_path / "tutorial_plugin.py"
    path.write_text(block)
    registry = build_registry([path], entry_points=False)
    assert registry.failures == []
    (entry,) = registry.added_by(str(path))
    assert [str(one) for one in check(entry, QUICK.get(entry.name, {}))] == []


def test_the_tutorial_keeps_its_promises_of_length() -> None:
    first, loss = BLOCKS[0], next(b for b in BLOCKS if "Cost" in b)
    assert sum(bool(line.strip()) for line in first.splitlines()) <= 15
    assert sum(bool(line.strip()) for line in loss.splitlines()) < 20
    assert sum("hookimpl" in block for block in BLOCKS) == 5


def test_the_tutorials_other_code_runs() -> None:
    (block,) = (b for b in BLOCKS if "hookimpl" not in b)
    exec(compile(block, "tutorial", "exec"), {})


def test_the_tutorials_commands_exist() -> None:
    assert len(COMMANDS) == 5
    for line in COMMANDS:
        _, name, *words = shlex.split(line)
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, name
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line

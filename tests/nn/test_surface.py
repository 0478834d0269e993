"""What plugins may import from tokbench.nn is pinned, names and signatures.

A change is deliberate: `python -m tests.nn.test_surface` rewrites tests/nn/surface.txt, and the
changelog says what plugin authors have to do.
"""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import tokbench.nn

PINNED = Path(__file__).with_name("surface.txt")
FOLDERS = ("kmeans", "quantizer", "training", "transformer")
DEVICES = [
    "bias_learning_attention", "in_halves", "on_cuda", "resident", "seeded", "sent",
    "tokens_at_once",
]  # fmt: skip
FILES = {"cooccurrence": ["cooccurrences"], "devices": DEVICES}


def surface() -> str:
    """A line per name: where it is, and how it is called."""
    lines = []
    for place in (*FOLDERS, *FILES):
        module = importlib.import_module(f"tokbench.nn.{place}")
        for name in FILES.get(place, getattr(module, "__all__", [])):
            thing = getattr(module, name)
            lines.append(f"{place}.{name}{called(thing)}")
            if inspect.isclass(thing):
                methods = {at: getattr(thing, at) for at in vars(thing) if at[0] != "_"}
                lines += [
                    f"{place}.{name}.{at}{called(method)}"
                    for at, method in methods.items()
                    if inspect.isroutine(method) and callable(method) and not hasattr(tuple, at)
                ]
    return "\n".join(sorted(lines)) + "\n"


def called(thing: Any) -> str:
    """The signature, types unquoted."""
    if not (inspect.isroutine(thing) or inspect.isclass(thing)):
        return ""
    return re.sub(r"ForwardRef\('([^']*)'\)|'", r"\1", str(inspect.signature(thing)))


def test_names_and_signatures_are_pinned() -> None:
    assert surface() == PINNED.read_text(encoding="utf-8"), __doc__


def test_the_docstring_names_every_place() -> None:
    text = tokbench.nn.__doc__ or ""
    named = set(re.findall(r"^    tokbench\.nn\.(\w+)", text, re.M))
    assert named == {*FOLDERS, *FILES}
    for file, names in FILES.items():
        assert all(f"`{name}`" in text for name in names), file


def test_plugins_import_from_nothing_else() -> None:
    """From a folder what it names; cuda graphs and files inside folders are our own affair."""
    imported = []
    for path in (Path(__file__).parents[2] / "plugins").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        imported += re.findall(r"from tokbench\.nn\.?([\w.]*) import (\([^)]*\)|[^\n]*)", text)
    assert len(imported) > 20
    for place, names in imported:
        assert place in {*FOLDERS, *FILES}, place
        module = importlib.import_module(f"tokbench.nn.{place}")
        allowed = FILES.get(place, getattr(module, "__all__", []))
        assert set(re.findall(r"\w+", names)) <= set(allowed), (place, names)


if __name__ == "__main__":
    PINNED.write_text(surface(), encoding="utf-8")

"""What counts as a change of code, and how far imports are followed."""

from __future__ import annotations

from pathlib import Path

from tests.registry import borrowed
from tokbench.registry.source import ROOT, closure, code_used_by, imports_in, substance


def names(files: object) -> set[str]:
    assert isinstance(files, (list, frozenset))
    return {Path(file).relative_to(ROOT / "tokbench").as_posix() for file in files}


def test_substance_ignores_comments_docstrings_and_spacing() -> None:
    one = substance('"""Doc."""\n\ndef f(x):\n    """Says."""\n    return x + 1  # why\n')
    assert one == substance("def f( x ):\n\n    return x+1\n")
    assert one != substance("def f(x):\n    return x + 2\n")


def test_modules_and_packages_are_followed_and_contracts_are_not() -> None:
    found = imports_in(
        "import tokbench\nfrom tokbench import types, Tokenizer\nfrom tokbench.api import Runtime\n"
        "from tokbench.scoring import intrinsic\nimport tokbench.scoring.splits as s\n"
        "def f():\n    from tokbench.scoring.placement import place\n"
    )
    assert names(found) == {
        "scoring/intrinsic/__init__.py",
        "scoring/splits.py",
        "scoring/placement.py",
    }
    assert "scoring/intrinsic/usage.py" in names(closure(found))
    assert not imports_in("this is no Python")


def test_a_function_counts_with_what_it_uses_of_its_module() -> None:
    files, texts = code_used_by(borrowed.counted)
    assert names(files) == {"scoring/placement.py"}
    assert sorted(text.split("(")[0].split(" =")[0] for text in texts) == [
        "LIMIT",
        "def counted",
        "def helper",
    ]

"""Built-in components carry a hand-set version; this test locks it to the code it stands for.

When the code of a component changes, either its numbers changed: raise its `version`; or they did
not: the lock is renewed all the same. Both: `python -m tests.test_versions`, and say which in the
commit message. Comments, docstrings and spacing do not count.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import tokenize
from pathlib import Path

from tokbench.registry.registry import KINDS, build_registry
from tokbench.schema.run_spec import SPEC_SCHEMA

ROOT = Path(__file__).parent.parent
LOCK = Path(__file__).parent / "versions.json"
CORE = (
    "scoring/splits",
    "scoring/collisions",
    "scoring/placement",
    "scoring/metrics",
    "pipeline/stages",
    "pipeline/executor",
)  # SPEC_SCHEMA's code
SHARED = ("tokbench.api", "tokbench.types", "tokbench.errors", "tokbench.registry.hookspecs")


def substance(path: Path) -> str:
    """The file's code without comments, docstrings and spacing."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                for number in range(value.lineno - 1, value.end_lineno or value.lineno):
                    lines[number] = ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return "".join("".join(lines).split())


def imports_of(path: Path) -> set[Path]:
    """Files of tokbench that this one imports, the shared contracts left out."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            file = ROOT.joinpath(*name.split(".")).with_suffix(".py")
            if name.startswith("tokbench.") and name not in SHARED and file.is_file():
                found.add(file)
    return found


def closure(start: Path) -> list[Path]:
    """The file and all that it imports, directly or not."""
    seen: set[Path] = set()
    waiting = {start}
    while waiting:
        path = waiting.pop()
        seen.add(path)
        waiting |= imports_of(path) - seen
    return sorted(seen)


def digest_of(paths: list[Path]) -> str:
    """One digest for several files, by name and substance."""
    sha = hashlib.sha256()
    for path in paths:
        sha.update(f"{path.relative_to(ROOT)}\n{substance(path)}\n".encode())
    return sha.hexdigest()[:16]


def locked() -> dict[str, list[object]]:
    """What the lock should say now."""
    core = [ROOT / "tokbench" / f"{name}.py" for name in CORE]
    lock: dict[str, list[object]] = {"core": [SPEC_SCHEMA, digest_of(core)]}
    for kind in KINDS:
        for entry in build_registry(entry_points=False).all(kind):
            file = ROOT.joinpath(*entry.cls.__module__.split(".")).with_suffix(".py")
            lock[f"{kind} {entry.name}"] = [entry.cls.version, digest_of(closure(file))]
    return lock


def test_versions_are_locked_to_the_code_they_stand_for() -> None:
    assert json.loads(LOCK.read_text()) == locked(), __doc__


def test_substance_ignores_comments_docstrings_and_spacing(tmp_path: Path) -> None:
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text('"""Doc."""\n\ndef f(x):\n    """Says."""\n    return x + 1  # why\n')
    two.write_text("def f( x ):\n\n    return x+1\n")
    assert substance(one) == substance(two)
    two.write_text("def f(x):\n    return x + 2\n")
    assert substance(one) != substance(two)


if __name__ == "__main__":
    LOCK.write_text(json.dumps(locked(), indent=1) + "\n")

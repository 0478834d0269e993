"""What a piece of tokbench's code is: its substance, and that of everything it imports.

Substance is code without comments, docstrings and spacing. The closure of a file is the file with
all of tokbench that it imports, directly or not; of the contracts in SHARED everything depends, and
they hold no calculation, so they do not count.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import io
import tokenize
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ("tokbench", "tokbench.api", "tokbench.types", "tokbench.errors")


@cache
def substance(text: str) -> str:
    """The code without comments, docstrings and spacing. Raises SyntaxError for other text."""
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


@cache
def imports_in(text: str) -> frozenset[Path]:
    """Files of tokbench that the code imports, the shared contracts left out."""
    if "tokbench" not in text:  # a package may hold a thousand files, and some that do not parse
        return frozenset()
    nodes = ast.walk(ast.parse(text))
    return frozenset(file for node in nodes for file in _imported(node).values())


def closure(starts: Iterable[Path]) -> list[Path]:
    """The files and all of tokbench that they import, directly or not."""
    seen: set[Path] = set()
    waiting = set(starts)
    while waiting:
        path = waiting.pop()
        seen.add(path)
        waiting |= imports_in(path.read_text(encoding="utf-8")) - seen
    return sorted(seen)


def digest_of(paths: Iterable[Path], *texts: str) -> str:
    """One digest for files of tokbench, by name and substance, and for texts."""
    sha = hashlib.sha256()
    for path in paths:
        code = substance(path.read_text(encoding="utf-8"))
        sha.update(f"{path.relative_to(ROOT).as_posix()}\n{code}\n".encode())
    for text in texts:
        sha.update(f"{substance(text)}\n".encode())
    return sha.hexdigest()[:16]


def code_used_by(*functions: Callable[..., object]) -> tuple[list[Path], list[str]]:
    """What functions run of tokbench: the closure of the files that they import from, and the text
    of what they use of their own module. Its other functions do not count, nor do annotations."""
    texts: set[str] = set()
    files: set[Path] = set()
    for function in functions:
        path = Path(inspect.getsourcefile(function) or "")
        used, imported = _used(path.read_text(encoding="utf-8"), function.__name__)
        texts |= used
        files |= imported
    return closure(files), sorted(texts)


def _used(text: str, name: str) -> tuple[set[str], set[Path]]:
    """The definitions of a module that `name` needs, as text, and the files they import."""
    tree = ast.parse(text)
    defined = {known: node for node in tree.body for known in _names(node)}
    imported = {known: file for node in tree.body for known, file in _imported(node).items()}
    texts, files, seen, waiting = set[str](), set[Path](), set[str](), {name}
    while waiting:
        known = waiting.pop()
        seen.add(known)
        if known in imported:
            files.add(imported[known])
        if known in defined:
            texts.add(ast.get_source_segment(text, defined[known]) or "")
            for node in _nodes(defined[known]):
                files |= set(_imported(node).values())  # an import inside a function
                waiting |= {node.id} - seen if isinstance(node, ast.Name) else set()
    return texts, files


def _nodes(definition: ast.stmt) -> Iterator[ast.AST]:
    """What a definition runs: of a function neither its annotations nor its arguments' names."""
    if not isinstance(definition, ast.FunctionDef):
        yield from ast.walk(definition)
        return
    given = definition.args
    arguments = {one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
    for part in (*definition.body, *given.defaults, *filter(None, given.kw_defaults)):
        for node in ast.walk(part):
            if not (isinstance(node, ast.Name) and node.id in arguments):
                yield node


def _names(node: ast.stmt) -> list[str]:
    """What a statement at the top of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _imported(node: ast.AST) -> dict[str, Path]:
    """The files of tokbench that an import statement names, by the name it binds."""
    found: dict[str, Path | None] = {}
    if isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:  # a module of a package, or something in a module
            inner = _file(f"{node.module}.{alias.name}")
            found[alias.asname or alias.name] = inner or _file(node.module)
    elif isinstance(node, ast.Import):
        found = {alias.asname or alias.name: _file(alias.name) for alias in node.names}
    return {name: file for name, file in found.items() if file is not None}


def _file(module: str) -> Path | None:
    """The file of a module or a package of tokbench that counts."""
    if module in SHARED or module.partition(".")[0] != "tokbench":
        return None
    folder = ROOT.joinpath(*module.split("."))
    files = (folder.with_suffix(".py"), folder / "__init__.py")
    return next((file for file in files if file.is_file()), None)

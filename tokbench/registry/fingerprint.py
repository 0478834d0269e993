"""What stands for the code of a plugin's component in the keys of its results.

A built-in has a version set by hand. A stranger's component has none: the digest of its sources
stands for it, and of all that these import from tokbench. Other libraries are not covered: after
an update of one, run afresh.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from pathlib import Path

from tokbench.api import PROJECT, Component
from tokbench.registry.source import closure, digest_of


def fingerprint(cls: type[Component]) -> str:
    """`name#digest`, other where a source file of the plugin is other, or code that it imports
    from tokbench (comments and docstrings there do not count)."""
    digest = hashlib.sha256(repr(sorted(_packages(cls))).encode())
    sources = _sources(cls)
    for name, file in sources:
        digest.update(hashlib.sha256(name.encode()).digest())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    files = {file for _, file in sources}
    imported = [file for file in closure(files) if file not in files]
    digest.update(digest_of(imported).encode())
    return f"{cls.name}#{digest.hexdigest()[:16]}"


def _sources(cls: type[Component]) -> list[tuple[str, Path]]:
    """Names and paths of the files that define the class and its ancestors outside tokbench: every
    Python file of their packages, or the one file of a module that is in none."""
    found = []
    for package in sorted(_packages(cls)):
        module = sys.modules.get(package)
        source = inspect.getsourcefile(module) if module else None
        if module is None or source is None:
            continue
        folder = Path(source).parent
        files = sorted(folder.rglob("*.py")) if hasattr(module, "__path__") else [Path(source)]
        found += [(file.relative_to(folder).as_posix(), file) for file in files]
    return found


def _packages(cls: type[Component]) -> set[str]:
    """The packages of the class and its ancestors, tokbench and Python's own left out."""
    packages = {one.__module__.partition(".")[0] for one in cls.__mro__}
    return packages - {PROJECT, *sys.stdlib_module_names}

"""What stands for the code of a plugin's component in the keys of its results.

A built-in has a version set by hand. A stranger's component has none: the digest of its sources
stands for it, with the versions of the built-ins that it derives from. Functions that it merely
calls, of tokbench or of another library, are not covered: after such an update, run afresh.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path

from tokbench.api import PROJECT, Component


def fingerprint(cls: type[Component]) -> str:
    """`name#digest`, other where a source file or a built-in ancestor's version is other."""
    digest = hashlib.sha256()
    for part in [*_ancestors(cls), *_sources(cls)]:
        digest.update(hashlib.sha256(part).digest())
    return f"{cls.name}#{digest.hexdigest()[:16]}"


def _ancestors(cls: type[Component]) -> Iterable[bytes]:
    """name@version of every built-in component that the class derives from."""
    for one in cls.__mro__:
        if _package(one) == PROJECT and "name" in vars(one):
            yield f"{vars(one)['name']}@{vars(one).get('version', 1)}".encode()


def _sources(cls: type[Component]) -> Iterable[bytes]:
    """Names and contents of the files that define the class and its ancestors outside tokbench:
    every Python file of their packages, or the one file of a module that is in none."""
    elsewhere = sorted({_package(one) for one in cls.__mro__} - {PROJECT, *sys.stdlib_module_names})
    for package in elsewhere:
        module = sys.modules.get(package)
        source = inspect.getsourcefile(module) if module else None
        if module is None or source is None:
            yield repr(cls).encode()
            continue
        folder = Path(source).parent
        files = sorted(folder.rglob("*.py")) if hasattr(module, "__path__") else [Path(source)]
        for file in files:
            yield file.relative_to(folder).as_posix().encode()
            yield file.read_bytes()


def _package(cls: type) -> str:
    return cls.__module__.partition(".")[0]

"""Who offers what: built-ins, installed entry points and single plugin files, by kind and name.

A plugin that fails to load, misspells a hook or registers something unusable is isolated: it lands
in `failures`, everything else goes on.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from tokbench.api import (
    PROJECT,
    Component,
    Config,
    DatasetSource,
    Encoder,
    Generator,
    Metric,
    Tokenizer,
)
from tokbench.errors import DuplicateComponentError, UnknownComponentError, listed
from tokbench.registry import hookspecs
from tokbench.registry.deadline import DeadlineError, deadline
from tokbench.registry.fingerprint import fingerprint

KINDS: dict[str, type[Component]] = {
    "dataset": DatasetSource,
    "encoder": Encoder,
    "tokenizer": Tokenizer,
    "generator": Generator,
    "metric": Metric,
}
BUILT_INS = (
    "tokbench.datasets",
    "tokbench.encoders",
    "tokbench.tokenizers",
    "tokbench.generators",
    "tokbench.scoring.metrics",
)
PATIENCE = 30.0  # seconds a plugin may take to load, where TOKBENCH_PLUGIN_SECONDS says nothing
NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class Entry:
    """One registered component and where it comes from."""

    kind: str
    name: str
    cls: type[Component]
    plugin: str  # the module, entry point or file that registered it
    origin: str  # "built-in", "package NAME VERSION", or "file"

    @property
    def fingerprint(self) -> str:
        """Changes when the component's numbers may change: a hand-set version for built-ins
        (tests lock it to the code), the digest of the sources for everyone else."""
        if self.origin == "built-in":
            return f"{self.name}@{self.cls.version}"
        return fingerprint(self.cls)


@dataclass(frozen=True)
class Failure:
    """A plugin, or one of its components, that could not be used, and why."""

    plugin: str
    reason: str
    origin: str = ""


@dataclass(frozen=True)
class Plugin:
    """A module that was loaded, whether or not it offers anything."""

    name: str  # the module, entry point or file
    origin: str  # "built-in", "package NAME VERSION", or "file"


@dataclass
class Registry:
    """Components by kind and name; build one with `build_registry`."""

    entries: dict[tuple[str, str], list[Entry]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    plugins: list[Plugin] = field(default_factory=list)

    def names(self, kind: str) -> list[str]:
        """Sorted names of one kind."""
        return sorted(name for found, name in self.entries if found == kind)

    def all(self, kind: str) -> list[Entry]:
        """The entries of one kind, by name."""
        return [self.entries[kind, name][0] for name in self.names(kind)]

    def get(self, kind: str, name: str) -> Entry:
        """The entry of that name.

        Raises UnknownComponentError with near matches, or DuplicateComponentError with the owners.
        """
        owners = self.entries.get((kind, name), [])
        if not owners:
            raise UnknownComponentError(self._unknown(kind, name))
        if len(owners) > 1 and owners[0].origin != "built-in":
            raise DuplicateComponentError(
                f"{kind} {name!r} is registered by {listed([o.plugin for o in owners])}: "
                "uninstall one of them, or ask its author to rename it"
            )
        return owners[0]

    def added_by(self, plugin: str) -> list[Entry]:
        """What a plugin offers under names of its own."""
        return [found[0] for found in self.entries.values() if found[0].plugin == plugin]

    def find(self, name: str) -> list[Entry]:
        """Entries of that name, of any kind."""
        return [found[0] for (_, known), found in sorted(self.entries.items()) if known == name]

    def _unknown(self, kind: str, name: str) -> str:
        names = self.names(kind)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        text = f"unknown {kind} {name!r}"
        text += f"; did you mean {' or '.join(near)}?" if near else f"; known: {listed(names)}"
        if self.failures:
            broken = [f"{failure.plugin} ({failure.reason})" for failure in self.failures]
            text += f"; plugins that failed to load: {listed(broken)}"
        return text

    def add(self, entry: Entry) -> None:
        """Register one entry. A built-in keeps its name whatever a plugin claims."""
        owners = self.entries.setdefault((entry.kind, entry.name), [])
        owners.append(entry)
        if len(owners) > 1:
            reason = f"{entry.kind} {entry.name!r} is already registered by {owners[0].plugin}"
            self.failures.append(Failure(entry.plugin, reason, entry.origin))


def build_registry(files: Sequence[Path] = (), *, entry_points: bool = True) -> Registry:
    """A fresh registry: built-ins first, then installed plugins, then single `files`.

    Plugins are loaded into this process: for the conformance kit, and for their authors' tests.
    Whatever writes results uses `isolated_registry` (tokbench/registry/isolated/isolated.py).
    """
    registry = Registry()
    for module in BUILT_INS:
        _register(registry, module, "built-in", partial(importlib.import_module, module))
    if entry_points:
        for point in metadata.entry_points(group=PROJECT):
            load_entry_point(registry, point)
    for path in files:
        load_file(registry, path)
    return registry


def load_entry_point(registry: Registry, point: metadata.EntryPoint) -> None:
    """Add what an installed plugin offers."""
    _register(registry, point.value, owner_of(point), point.load)


def load_file(registry: Registry, path: Path) -> None:
    """Add what a single file offers."""
    _register(registry, str(path), "file", partial(_from_file, path))


def owner_of(point: metadata.EntryPoint) -> str:
    """The package and the version that an entry point comes with."""
    return f"package {point.dist.name} {point.dist.version}" if point.dist else "package"


def _from_file(path: Path) -> ModuleType:
    name = f"tokbench_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"no Python file at {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # or Python cannot tell which file a class came from
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _register(registry: Registry, plugin: str, origin: str, load: Callable[[], object]) -> None:
    """Load one plugin in a manager of its own and add what its hooks return.

    Isolation is the point: whatever a stranger's module raises becomes a Failure, and so does one
    that takes too long.
    """
    try:
        with deadline(0 if origin == "built-in" else patience(), "loading it"):
            found = _offered(load(), plugin)
    except (Exception, SystemExit, DeadlineError) as error:
        if origin == "built-in":
            raise
        registry.failures.append(Failure(plugin, f"{type(error).__name__}: {error}", origin))
        return
    registry.plugins.append(Plugin(plugin, origin))
    for kind, cls in found:
        fault = _fault(kind, cls)
        if fault:
            registry.failures.append(Failure(plugin, fault, origin))
        else:
            registry.add(Entry(kind, cls.name, cls, plugin, origin))


def _offered(module: object, plugin: str) -> list[tuple[str, Any]]:
    """What the hooks of a module return, with the kind each hook is for."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(module, name=plugin)
    manager.check_pending()
    return [
        (kind, cls)
        for kind in KINDS
        for returned in getattr(manager.hook, f"register_{kind}s")()
        for cls in returned
    ]


def patience() -> float:
    """Seconds a plugin may take to load; 0 for no limit."""
    try:
        return float(os.environ.get("TOKBENCH_PLUGIN_SECONDS", PATIENCE))
    except ValueError:
        return PATIENCE


def _fault(kind: str, cls: object) -> str:
    """Why `cls` cannot be a component of that kind; empty when it can."""
    base = KINDS[kind]
    if not (isinstance(cls, type) and issubclass(cls, base)):
        return f"register_{kind}s returned {cls!r}, which is no subclass of {base.__name__}"
    name = getattr(cls, "name", None)
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        return f"{cls.__name__}.name is {name!r}; use lower-case letters, digits and hyphens"
    if inspect.isabstract(cls):
        missing: Iterable[str] = sorted(cls.__abstractmethods__)
        return f"{kind} {name!r} does not implement {listed(list(missing))}"
    if not (isinstance(cls.Config, type) and issubclass(cls.Config, Config)):
        return f"{kind} {name!r}: Config must derive from tokbench.Config"
    return ""

"""The registry whose plugins are loaded in other processes, and their components made there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from pydantic import ValidationError

from tokbench.api import PROJECT
from tokbench.errors import PluginError, one_line
from tokbench.registry.isolated.client import ask, can_isolate
from tokbench.registry.isolated.stand_in import StandIn, class_of
from tokbench.registry.isolated.told import SettledTold, Told
from tokbench.registry.isolated.work import Job, Source
from tokbench.registry.registry import (
    Entry,
    Failure,
    Plugin,
    Registry,
    build_registry,
    owner_of,
    patience,
)
from tokbench.registry.settings import Settled, settle


def isolated_registry(files: Sequence[Path] = (), *, entry_points: bool = True) -> Registry:
    """Built-ins, installed plugins and single `files`, as `build_registry` has them, with no code
    of a plugin in this process. Where the system cannot fork, plugins are loaded."""
    if not can_isolate():
        return build_registry(files, entry_points=entry_points)
    registry = build_registry(entry_points=False)
    for point in metadata.entry_points(group=PROJECT) if entry_points else ():
        _add(registry, Source(point.value, is_file=False), owner_of(point))
    for path in files:
        _add(registry, Source(str(path.resolve()), is_file=True), "file", shown=str(path))
    return registry


def settle_anywhere(
    entry: Entry, profile: str, preset: str, given: Mapping[str, object]
) -> Settled:
    """As `settle`, in the plugin's process if it has one. Raises ConfigError, PluginError."""
    cls = entry.cls
    if not issubclass(cls, StandIn):
        return settle(entry, profile, preset, given)
    job = Job(cls.source, "settle", entry.kind, entry.name,
              arguments=(profile, preset, dict(given)))  # fmt: skip
    try:
        told = SettledTold.model_validate(ask(job).told["told"])
    except ValidationError as error:
        raise PluginError(
            f"{entry.kind} {entry.name!r}: what it says of itself: {error}"
        ) from error
    component = cls()
    component.say(told)
    return Settled(
        component, told.fingerprint, told.name, one_line(told.label), told.config, told.inputs
    )


def _add(registry: Registry, source: Source, origin: str, shown: str = "") -> None:
    """What one plugin offers, as its process tells."""
    plugin = shown or source.plugin
    try:
        told = ask(Job(source, "offer"), seconds=patience()).told["told"]
        failures = [str(reason) for _, reason in told["failures"]]
        offers = [Told.model_validate(offer) for offer in told["offers"]]
        classes = [(offer, class_of(offer, source)) for offer in offers]
    except Exception as error:  # a stranger's names and options may be anything
        reason = str(error).removeprefix(f"plugin {source.plugin}: ")
        registry.failures.append(Failure(plugin, one_line(reason), origin))
        return
    if told.get("loaded"):
        registry.plugins.append(Plugin(plugin, origin))
    registry.failures += [Failure(plugin, one_line(reason), origin) for reason in failures]
    for offer, cls in classes:
        registry.add(Entry(offer.kind, offer.name, cls, plugin, origin))

"""A component's options with where each value comes from: default, profile, preset or by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokbench.schema.run_spec import ComponentSpec


@dataclass(frozen=True)
class Described:
    """What the registry knows of a component, handed over as values."""

    defaults: Mapping[str, Any]  # as json
    meanings: Mapping[str, str]
    presets: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class OptionView:
    """One option of a run."""

    name: str
    value: str
    default: str  # empty where it is the value, or where nobody knows it
    origin: str  # `default`, `profile quick`, `preset unique`, `changed`; empty: not known
    meaning: str


@dataclass(frozen=True)
class ComponentView:
    """A component of a run with all of its options."""

    kind: str
    label: str
    fingerprint: str
    options: tuple[OptionView, ...]
    inputs: tuple[tuple[str, str], ...]  # file and its sha256


def component_view(
    kind: str, spec: ComponentSpec, profile: str, known: Described | None
) -> ComponentView:
    """Every option in the order of the record; `known` is None for a plugin that is not here."""
    preset = _preset(spec.label)
    options = [
        OptionView(
            name=name,
            value=_written(value),
            default=_default(name, value, known),
            origin=_origin(name, value, profile, preset, known),
            meaning="" if known is None else known.meanings.get(name, ""),
        )
        for name, value in spec.config.items()
    ]
    inputs = tuple(sorted(spec.inputs.items()))
    return ComponentView(kind, spec.label, spec.fingerprint, tuple(options), inputs)


def _origin(name: str, value: Any, profile: str, preset: str, known: Described | None) -> str:
    if known is None or name not in known.defaults:
        return ""
    for word, chosen in (("preset", preset), ("profile", profile)):
        options = known.presets.get(chosen, {})
        if name in options and _written(options[name]) == _written(value):
            return f"{word} {chosen}"
    return "default" if _written(known.defaults[name]) == _written(value) else "changed"


def _default(name: str, value: Any, known: Described | None) -> str:
    if known is None or name not in known.defaults:
        return ""
    default = _written(known.defaults[name])
    return "" if default == _written(value) else default


def _preset(label: str) -> str:
    """`unique` of `random:unique [levels=4]`."""
    found = re.match(r"[^\[:]*:([^\[\s]+)", label)
    return found.group(1) if found else ""


def _written(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_written(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)

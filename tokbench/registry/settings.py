"""From what a user typed of a component to the component with all of its options, and to what a
parent process has to know of a component that is loaded in another one.

Errors in options are ConfigErrors in one sentence.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tokbench.api import Component, Config, DatasetSource
from tokbench.errors import ConfigError, listed
from tokbench.registry.registry import Entry

FLAGS = (
    "uses_interactions", "deterministic", "exact_at_full_width", "is_distribution", "uses_times",
    "uses_query_time", "higher_is_better",
)  # fmt: skip


@dataclass(frozen=True)
class Settled:
    """A component, and what stands for it in a run's spec."""

    component: Component
    fingerprint: str
    name: str
    label: str
    config: dict[str, Any]  # every option but locations, and those added since at their default
    inputs: dict[str, str]  # file name -> sha256 of what it reads


def settle(entry: Entry, profile: str, preset: str, given: Mapping[str, object]) -> Settled:
    """The component of an entry with the options of a profile, of a preset or a path on top, and
    those `given` over both. Raises ConfigError."""
    options = _options(entry.kind, entry, profile, preset) | dict(given)
    component = entry.cls(checked_config(entry.kind, entry, options))
    return Settled(
        component,
        entry.fingerprint,
        component.label if isinstance(component, DatasetSource) else entry.name,
        label_of(component, entry, profile),
        component.config.model_dump(
            mode="json", exclude=locations(entry.cls) | added_at_default(component)
        ),
        _input_digests(component),
    )


def describe(entry: Entry) -> dict[str, Any]:
    """What `list`, `show` and `--set` need of a component, as json can say it."""
    cls = entry.cls
    schema = cls.Config.model_json_schema().get("properties", {})
    options = {}
    for name, info in cls.Config.model_fields.items():
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        options[name] = {
            "required": info.is_required(),
            "default": None if info.is_required() else info.get_default(call_default_factory=True),
            "description": info.description or "",
            "extra": {**extra, "type": type_name(info.annotation)},
            "schema": schema.get(name, {}),
        }
    return {
        "kind": entry.kind,
        "name": entry.name,
        "version": cls.version,
        "doc": cls.__doc__ or "",
        "citation": cls.citation,
        "deviations": list(cls.deviations),
        "presets": {name: dict(preset) for name, preset in cls.presets.items()},
        "options": options,
        "flags": flags_of(cls),
    }


def flags_of(component: Component | type[Component]) -> dict[str, bool]:
    """What a component's class says about itself, those that its kind has."""
    return {name: bool(getattr(component, name)) for name in FLAGS if hasattr(component, name)}


def type_name(annotation: Any) -> str:
    """The type of an option, as `tokbench show` prints it."""
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return "choice" if "Literal" in str(annotation) else str(annotation).replace("typing.", "")


def _options(kind: str, entry: Entry, profile: str, preset: str) -> dict[str, object]:
    """The options of a profile, and of a preset or a path on top."""
    presets = entry.cls.presets
    options = dict(presets.get(profile, {}))
    if preset in presets:
        return options | dict(presets[preset])
    if preset and "path" in entry.cls.Config.model_fields:
        return options | {"path": preset}
    if preset:
        near = difflib.get_close_matches(preset, presets)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(
            f"{kind} {entry.name!r} has no preset {preset!r}{hint}; its presets: "
            f"{listed([*presets])}"
        )
    return options


def locations(cls: type[Component]) -> set[str]:
    """Names of the options that say where, not what."""
    return {
        name
        for name, info in cls.Config.model_fields.items()
        if isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("location")
    }


def added_at_default(component: Component) -> set[str]:
    """Names of the options that were added since and change nothing where they stand."""
    config = component.config
    return {
        name
        for name, info in type(config).model_fields.items()
        if isinstance(info.json_schema_extra, dict)
        and info.json_schema_extra.get("added")
        and getattr(config, name) == info.default
    }


def _input_digests(component: Component) -> dict[str, str]:
    inputs: Sequence[Path] = list(getattr(component, "inputs", tuple)())
    digests = {}
    for path in inputs:
        if path.is_file():  # an absent file is reported by the component, with its remedy
            with path.open("rb") as stream:
                digests[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return digests


def label_of(component: Component, entry: Entry, profile: str) -> str:
    """`cost`, `cost:with-reconstruction`, or `cost [temperature=0.5]`: derived from the options
    alone, so one configuration has one label however it was typed."""
    cls, hidden = entry.cls, locations(entry.cls)
    base = component.label
    actual = component.config.model_dump(mode="json", exclude=hidden)
    standard = dict(cls.presets.get(profile, {}))
    best: tuple[int, str] | None = None
    for preset, options in {"": {}, **cls.presets}.items():
        if preset == profile:
            continue
        expected = dict(standard | dict(options))
        expected |= {name: getattr(component.config, name) for name in hidden}
        dump = cls.Config(**expected).model_dump(mode="json", exclude=hidden)
        changed = {k: v for k, v in actual.items() if dump[k] != v}
        text = f"{base}:{preset}" if preset else base
        text += f" [{', '.join(f'{k}={v}' for k, v in changed.items())}]" if changed else ""
        if best is None or len(changed) < best[0]:
            best = (len(changed), text)
    assert best is not None
    return best[1]


def checked_config(kind: str, entry: Entry, options: Mapping[str, object]) -> Config:
    """The component's Config; pydantic's findings become one ConfigError sentence."""
    fields = entry.cls.Config.model_fields
    try:
        return entry.cls.Config(**options)
    except ValidationError as error:
        findings = []
        for item in error.errors():
            name = ".".join(str(part) for part in item["loc"])
            if item["type"] == "extra_forbidden":
                near = difflib.get_close_matches(name, fields, n=1)
                hint = f"did you mean {near[0]}?" if near else f"allowed: {listed([*fields])}"
                findings.append(f"no option {name!r}; {hint}")
            else:
                findings.append(f"{name}: {item['msg']} (got {item['input']!r})")
        raise ConfigError(
            f"{kind} {entry.name!r}: {'; '.join(findings)}; see `tokbench show {entry.name}`"
        ) from error

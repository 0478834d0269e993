"""Rules for the class and the options of any component."""

from __future__ import annotations

import json

from tokbench.testing.subject import Subject


def described_and_named(subject: Subject) -> str:
    """The class has a docstring, which `tokbench list` shows."""
    subject.require(
        bool((subject.cls.__doc__ or "").strip()),
        expected="a docstring",
        found="none",
        remedy="say in its first line what the component does",
    )
    return "" if subject.cls.citation else "no citation: fine for a baseline"


def options_described_and_bounded(subject: Subject) -> str:
    """Every option has a description, and every number a bound."""
    schema = subject.cls.Config.model_json_schema().get("properties", {})
    limits = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum", "const")
    for name, info in subject.cls.Config.model_fields.items():
        subject.require(
            bool(info.description),
            expected=f"a description of option {name!r}",
            found="none",
            remedy="declare it as `name: type = option(default, description=...)`",
        )
        number = schema[name].get("type") in ("integer", "number")
        subject.require(
            not number or any(limit in schema[name] for limit in limits),
            expected=f"a bound on option {name!r}",
            found="none",
            remedy="give option(...) ge=, gt=, le= or lt=",
        )
    return f"{len(subject.cls.Config.model_fields)} options"


def options_closed_and_frozen(subject: Subject) -> None:
    """An unknown option is refused, and a Config does not change once made."""
    config = subject.cls.Config.model_config
    subject.require(
        config.get("extra") == "forbid" and bool(config.get("frozen")),
        expected="a closed, frozen Config",
        found=f"extra={config.get('extra')!r}, frozen={config.get('frozen')!r}",
        remedy="derive Config from tokbench.Config and leave model_config alone",
    )


def options_survive_json(subject: Subject) -> None:
    """Config -> json -> Config gives an equal Config; records keep it as json."""
    config = subject.build().config
    again = subject.cls.Config(**json.loads(config.model_dump_json()))
    subject.require(
        again == config,
        expected=f"{config!r} after a round trip through json",
        found=f"{again!r}",
        remedy="keep to numbers, strings, booleans, literals and tuples of them",
    )


def presets_are_valid(subject: Subject) -> str:
    """Every preset is a set of allowed options that changes something."""
    for name, options in subject.cls.presets.items():
        subject.cls.Config(**options)
        subject.require(
            bool(options),
            expected=f"options in preset {name!r}",
            found="none",
            remedy="name what the preset changes, or leave it out",
        )
    return ", ".join(subject.cls.presets)

"""The component under examination, and what it means to break a rule."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from tokbench.api import Component, Runtime
from tokbench.errors import ContractError
from tokbench.types import digest

Answer = TypeVar("Answer")


@dataclass
class Subject:
    """A component's class with the options it is examined with.

    Rules ask for a fresh instance each time, so nothing carries over from one answer to the next.
    """

    kind: str
    cls: type[Component]
    options: Mapping[str, object] = field(default_factory=dict)
    runtime: Runtime = field(default_factory=Runtime)
    answers: dict[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As errors name it: tokenizer 'cost'."""
        return f"{self.kind} {getattr(self.cls, 'name', self.cls.__name__)!r}"

    def build(self) -> Any:
        """A fresh instance."""
        return self.cls(self.cls.Config(**self.options))

    def once(self, what: str, compute: Callable[[], Answer]) -> Answer:
        """An answer that several rules look at, computed when first asked for."""
        if what not in self.answers:
            self.answers[what] = compute()
        return cast(Answer, self.answers[what])

    def broken(self, *, expected: str, found: str, remedy: str) -> ContractError:
        """What a rule raises when it is broken."""
        return ContractError(self.name, expected=expected, found=found, remedy=remedy)

    def require(self, kept: bool, *, expected: str, found: str, remedy: str) -> None:
        """Raise ContractError unless the rule is kept."""
        if not kept:
            raise self.broken(expected=expected, found=found, remedy=remedy)

    def require_unchanged(self, before: str, *inputs: object) -> None:
        """Raise ContractError unless the inputs still have the digest `before`."""
        self.require(
            digest(*inputs) == before,
            expected="input arrays as they were",
            found="other values in them",
            remedy="work on a copy; torch.from_numpy shares memory, torch.tensor copies",
        )


Rule = Callable[[Subject], str]  # returns a remark, '' for none; raises when the rule is broken


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


def options_closed_and_frozen(subject: Subject) -> str:
    """An unknown option is refused, and a Config does not change once made."""
    config = subject.cls.Config.model_config
    subject.require(
        config.get("extra") == "forbid" and bool(config.get("frozen")),
        expected="a closed, frozen Config",
        found=f"extra={config.get('extra')!r}, frozen={config.get('frozen')!r}",
        remedy="derive Config from tokbench.Config and leave model_config alone",
    )
    return ""


def options_survive_json(subject: Subject) -> str:
    """Config -> json -> Config gives an equal Config; records keep it as json."""
    config = subject.build().config
    again = subject.cls.Config(**json.loads(config.model_dump_json()))
    subject.require(
        again == config,
        expected=f"{config!r} after a round trip through json",
        found=f"{again!r}",
        remedy="keep to numbers, strings, booleans, literals and tuples of them",
    )
    return ""


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


OPTIONS: tuple[Rule, ...] = (
    described_and_named,
    options_described_and_bounded,
    options_closed_and_frozen,
    options_survive_json,
    presets_are_valid,
)

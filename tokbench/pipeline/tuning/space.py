"""The space that a tuning searches: options with a range or a list of choices each.

sasrec.learning_rate=1e-4..1e-2:log      a range, both ends included; `:log` draws its logarithm
rqvae.levels=2..4                        of an option that holds whole numbers: whole numbers
sasrec.width=32,64,128                   choices
sasrec                                   what the component itself declares (`Component.space`)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokbench.errors import ConfigError, listed
from tokbench.pipeline.overrides import typed
from tokbench.registry.registry import Entry
from tokbench.registry.settings import checked_config
from tokbench.schema.tuned import Setting

FORMS = "LOW..HIGH, LOW..HIGH:log, or choices A,B,C"


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, whole ones where `whole`."""

    low: float
    high: float
    log: bool
    whole: bool

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


Choices = tuple[Setting, ...]
Space = dict[str, Range | Choices]  # COMPONENT.OPTION -> what it may be


def read_space(texts: Sequence[str], parts: Mapping[str, Entry]) -> dict[str, str]:
    """SCOPE.OPTION -> its range or choices as written, declared spaces spelt out.

    `parts` are the components that take part, by kind. Raises ConfigError.
    """
    found: dict[str, str] = {}
    for text in texts:
        target, equals, written = text.partition("=")
        scope, dot, option = target.partition(".")
        kind, entry = _part(scope, text, parts)
        if equals and dot and option and written:
            found[f"{entry.name}.{option}"] = written
        elif target == text and not dot and entry.cls.space:
            found |= {f"{entry.name}.{name}": each for name, each in entry.cls.space.items()}
        elif target == text and not dot:
            raise ConfigError(
                f"--space {text}: {kind} {entry.name!r} declares no space; give one as "
                f"{entry.name}.OPTION={FORMS}"
            )
        else:
            raise ConfigError(f"--space {text!r}: write it as SCOPE.OPTION={FORMS}")
    return found


def parse_space(space: Mapping[str, str], parts: Mapping[str, Entry]) -> Space:
    """What `read_space` returned, typed and checked: every end and choice is an allowed value of
    its option. Raises ConfigError."""
    return {name: _parse(name, written, parts) for name, written in space.items()}


def _part(scope: str, text: str, parts: Mapping[str, Entry]) -> tuple[str, Entry]:
    for kind, entry in parts.items():
        if scope in (kind, entry.name):
            return kind, entry
    names = [name for kind, entry in parts.items() for name in (kind, entry.name)]
    raise ConfigError(
        f"--space {text}: nothing called {scope!r} is tuned here; scopes: {listed(names)}"
    )


def _parse(name: str, written: str, parts: Mapping[str, Entry]) -> Range | Choices:
    scope, _, option = name.partition(".")
    kind, entry = _part(scope, name, parts)
    said = f"--space {name}={written}"
    low, dots, high = written.removesuffix(":log").partition("..")
    if not dots:
        choices = [_checked(kind, entry, option, word, said) for word in written.split(",")]
        if len(set(map(repr, choices))) < 2:
            raise ConfigError(f"{said}: one choice is nothing to search; use --set, or {FORMS}")
        return tuple(choices)
    ends = [_checked(kind, entry, option, word, said) for word in (low, high)]
    numbers = [end for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
    if len(numbers) < 2:
        raise ConfigError(f"{said}: {option} holds no numbers; list its choices as A,B,C")
    log = written.endswith(":log")
    if not numbers[0] < numbers[1] or (log and numbers[0] <= 0):
        least = "above 0 and " if log else ""
        raise ConfigError(f"{said}: the low end must be {least}below the high one")
    whole = all(isinstance(number, int) for number in numbers)
    return Range(numbers[0], numbers[1], log, whole)


def _checked(kind: str, entry: Entry, option: str, word: str, said: str) -> Setting:
    """A value as its option holds it."""
    try:
        config = checked_config(kind, entry, {option: typed(word.strip())})
    except ConfigError as error:
        raise ConfigError(f"{said}: {error}") from error
    value: Any = getattr(config, option)
    if not isinstance(value, bool | int | float | str):
        raise ConfigError(f"{said}: {option} holds {type(value).__name__}; use --set for it")
    return value


def rounded(value: Setting) -> Setting:
    """A float to three significant digits: what is tried is what is printed."""
    if not isinstance(value, float) or value == 0:
        return value
    return round(value, 2 - math.floor(math.log10(abs(value))))

"""`--set SCOPE.OPTION=VALUE`: typed by the component's own Config, checked to reach something."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence

from tokbench.errors import ConfigError, listed
from tokbench.registry.registry import Entry


class Overrides:
    """`--set SCOPE.OPTION=VALUE`: SCOPE is a kind (tokenizer) or a component's name (cost).

    A kind's override goes to each component of that kind that has the option; one that no
    component of the request has is an error.
    """

    def __init__(self, given: Mapping[tuple[str, str], object]) -> None:
        self._given = dict(given)
        self._used: set[tuple[str, str]] = set()
        self._seen: dict[str, set[str]] = {}

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Overrides:
        """Overrides from `scope.option=value` texts."""
        given: dict[tuple[str, str], object] = {}
        for text in texts:
            target, equals, value = text.partition("=")
            scope, dot, option = target.partition(".")
            if not (equals and dot and scope and option):
                raise ConfigError(
                    f"--set {text!r}: write it as tokenizer.temperature=0.5 "
                    "(kind or component name, dot, option, equals, value)"
                )
            given[scope, option] = typed(value)
        return cls(given)

    def options_for(self, kind: str, entry: Entry) -> dict[str, object]:
        """The overridden options of one component."""
        fields = entry.cls.Config.model_fields
        self._seen.setdefault(kind, set()).update(fields)
        self._seen.setdefault(entry.name, set()).update(fields)
        chosen: dict[str, object] = {}
        for (scope, option), value in self._given.items():
            if (scope == kind and option in fields) or scope == entry.name:
                chosen[option] = value
                self._used.add((scope, option))
        return chosen

    def check_all_used(self) -> None:
        """Raise ConfigError for an override that reached nothing."""
        for scope, option in self._given.keys() - self._used:
            if scope not in self._seen:
                raise ConfigError(
                    f"--set {scope}.{option}: nothing called {scope!r} takes part in this run; "
                    f"scopes: {listed(sorted(self._seen))}"
                )
            known = sorted(self._seen[scope])
            near = difflib.get_close_matches(option, known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ConfigError(
                f"--set {scope}.{option}: no such option; {hint}options: {listed(known)}"
            )


def typed(value: str) -> object:
    """Lists, objects, null and booleans as json; everything else as text for pydantic to type."""
    try:
        parsed: object = json.loads(value)
    except (ValueError, RecursionError):  # words, or brackets beyond all reason
        return value
    return value if isinstance(parsed, (int, float)) and not isinstance(parsed, bool) else parsed

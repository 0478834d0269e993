"""The component under examination, and what it means to break a rule."""

from __future__ import annotations

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


Rule = Callable[[Subject], str | None]  # returns a remark or nothing; raises when it is broken

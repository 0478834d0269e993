"""Examining a component: each rule of its kind in turn, whatever the others found."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tokbench.api import Component, Runtime
from tokbench.errors import ConfigError, ContractError, TokbenchError
from tokbench.registry.registry import KINDS, Entry
from tokbench.testing import datasets, encoders, generators, metrics, options, tokenizers
from tokbench.testing.subject import Rule, Subject

MODULES = {"dataset": datasets, "encoder": encoders, "tokenizer": tokenizers,
           "generator": generators, "metric": metrics}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """A rule that is broken: what was expected, what was found, what to do."""

    rule: str
    expected: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.rule}: expected {self.expected}; found {self.found} ({self.remedy})"


@dataclass(frozen=True)
class Verdict:
    """A rule after its examination; `finding` is None where it is kept."""

    rule: str
    says: str
    finding: Finding | None
    remark: str = ""


def rules_of(kind: str) -> tuple[Rule, ...]:
    """The public functions of the module for that kind, those for options first."""
    return tuple(
        rule
        for module in (options, MODULES[kind])
        for name, rule in vars(module).items()
        if inspect.isfunction(rule) and rule.__module__ == module.__name__ and name[0] != "_"
    )


def name_of(rule: Rule) -> str:
    """The rule's name as people read it."""
    return str(rule.__name__).replace("_", " ")


def sentence_of(rule: Rule) -> str:
    """What the rule asks: the first sentence of its docstring."""
    return " ".join((rule.__doc__ or "").strip().split("\n\n")[0].split())


def examine(
    component: Entry | type[Component],
    options: Mapping[str, object] | None = None,
    *,
    runtime: Runtime | None = None,
) -> Iterator[Verdict]:
    """The verdict on each rule, as it is reached.

    Raises ConfigError where `component` is of no kind that tokbench knows.
    """
    cls = component.cls if isinstance(component, Entry) else component
    kinds = [
        kind for kind, base in KINDS.items() if isinstance(cls, type) and issubclass(cls, base)
    ]
    if not kinds:
        bases = ", ".join(base.__name__ for base in KINDS.values())
        raise ConfigError(f"{cls!r} is no component: derive it from one of {bases}")
    subject = Subject(kinds[0], cls, dict(options or {}), runtime or Runtime())
    for rule in rules_of(subject.kind):
        yield _verdict(rule, subject)


def check(
    component: Entry | type[Component],
    options: Mapping[str, object] | None = None,
    *,
    runtime: Runtime | None = None,
) -> list[Finding]:
    """The rules that are broken; empty for a component that conforms."""
    verdicts = examine(component, options, runtime=runtime)
    return [verdict.finding for verdict in verdicts if verdict.finding is not None]


def assert_conforms(component: Entry | type[Component], **options: object) -> None:
    """For tests: an AssertionError with every finding, a line each."""
    findings = check(component, options)
    assert not findings, "\n" + "\n".join(str(finding) for finding in findings)


def _verdict(rule: Rule, subject: Subject) -> Verdict:
    name, says = name_of(rule), sentence_of(rule)
    try:
        return Verdict(name, says, None, rule(subject) or "")
    except ContractError as error:
        remedy = error.remedy or "give what is expected: docs/plugins.md has the contract"
        return Verdict(name, says, Finding(name, error.expected, error.found, remedy))
    except TokbenchError as error:
        found = f"{type(error).__name__}: {error}"
        return Verdict(name, says, Finding(name, "an answer", found, "see what the error says"))
    except (Exception, SystemExit) as error:  # whatever a stranger's code raises is a finding
        return Verdict(name, says, _accident(name, error, subject.cls))


def _accident(rule: str, error: BaseException, cls: type[Component]) -> Finding:
    """The finding for an error that is none of tokbench's, with the line of the author's file."""
    frames = traceback.extract_tb(error.__traceback__)
    home = getattr(sys.modules.get(cls.__module__), "__file__", None)
    theirs = [frame for frame in frames if frame.filename == home]
    at = (theirs or frames)[-1]
    said = ": ".join(filter(None, (type(error).__name__, str(error))))
    found = f"{said}, at {Path(at.filename).name}:{at.lineno}: {at.line}"
    remedy = "raise tokbench's ConfigError, with what to change, for input it cannot serve"
    if "read-only" in str(error):
        remedy = "inputs are shared between components: copy an array before writing to it"
    return Finding(rule, "an answer", found, remedy)

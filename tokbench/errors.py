"""Every error that tokbench raises on purpose.

TokbenchError                 one line that says what, whose, what is allowed and what to do next
|-- DatasetError              a file or a row of a dataset is missing or wrong (names file and line)
|-- ConfigError               an option is unknown, has the wrong type or is out of bounds
|-- UnknownComponentError     no tokenizer / generator / dataset / encoder / metric of that name
|-- DuplicateComponentError   two plugins claim one name
|-- ContractError             a component returned something its base class does not allow
|-- CollapseError             a tokenizer's codebooks collapsed: a row would measure nothing
|-- MissingExtraError         an optional dependency is absent (names the extra to install)
|-- WorkerError               a worker process could not be started
|-- PluginError               third-party code failed, died or took too much, in its own process
|-- StoreError                an artifact cannot be read, written or locked
`-- RecordError               a record file is malformed or of an unknown schema

The command line prints these as one line and exits with status 1; `--debug` shows the traceback.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn


class TokbenchError(Exception):
    """Base of the tree above; `str(error)` is the sentence a user reads."""


class DatasetError(TokbenchError):
    """A dataset's file is missing or a line in it is wrong.

    `path` and `line` (1-based) locate the fault where there is one; `remedy` says what to do.
    """

    def __init__(
        self,
        problem: str,
        *,
        path: Path | None = None,
        line: int | None = None,
        remedy: str = "",
    ) -> None:
        self.problem, self.path, self.line, self.remedy = problem, path, line, remedy
        where = "" if path is None else f"{path}:{line}: " if line is not None else f"{path}: "
        super().__init__(f"{where}{problem}" + (f" ({remedy})" if remedy else ""))


class ConfigError(TokbenchError):
    """An option does not exist, has the wrong type, or is out of its bounds."""


class UnknownComponentError(TokbenchError):
    """Nothing is registered under that name; the message lists near matches."""


class DuplicateComponentError(TokbenchError):
    """Two plugins register one name; the message names both owners."""


class ContractError(TokbenchError):
    """A component broke its contract: names it, what was expected and what was found."""

    def __init__(self, component: str, *, expected: str, found: str, remedy: str = "") -> None:
        self.component, self.expected, self.found, self.remedy = component, expected, found, remedy
        super().__init__(
            f"{component}: expected {expected}, found {found}" + (f" ({remedy})" if remedy else "")
        )


class CollapseError(TokbenchError):
    """A tokenizer ended with too few distinct codes to be worth a row."""

    def __init__(self, component: str, *, distinct: int, items: int, remedy: str) -> None:
        self.component, self.distinct, self.items, self.remedy = component, distinct, items, remedy
        super().__init__(
            f"{component}: codebooks collapsed, {distinct} distinct code tuples for {items} items "
            f"(remedy: {remedy})"
        )


class MissingExtraError(TokbenchError):
    """An optional dependency is not installed."""

    def __init__(self, needed_by: str, *, package: str, extra: str) -> None:
        self.needed_by, self.package, self.extra = needed_by, package, extra
        super().__init__(f"{needed_by} needs {package}: pip install 'tokbench[{extra}]'")


class WorkerError(TokbenchError):
    """A worker process could not be started, or a cell cannot be sent to one."""


class PluginError(TokbenchError):
    """Third-party code failed in its own process: it raised, died, or went beyond a limit."""


class StoreError(TokbenchError):
    """The artifact store cannot read, write or lock what was asked of it."""


class RecordError(TokbenchError):
    """A record under results/ is malformed, damaged, or of a schema this version cannot read."""


LONGEST = 2000  # characters of an error that are kept


def sentence(error: BaseException) -> str:
    """What went wrong as one line of text, and for errors that are not ours, where."""
    try:
        text = str(error)
    except Exception:  # a stranger's __str__
        text = "its message cannot be read"
    frames = traceback.extract_tb(error.__traceback__)
    if not isinstance(error, TokbenchError):
        where = f" (at {Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
        text = f"{type(error).__name__}: {text[:LONGEST]}{where}"
    return one_line(text)


def one_line(text: str) -> str:
    """Text that a terminal shows and does not obey, in one line, cut after LONGEST characters."""
    cut = text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in cut)


CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Text without characters that steer a terminal or turn the direction of writing; lines and
    tabs stay."""
    return CONTROL.sub("\ufffd", text)


def listed(names: Sequence[str]) -> str:
    """'a, b, c' for an error message; 'none' when there is nothing to list."""
    return ", ".join(names) if names else "none"


Fault = Callable[[DatasetError], None]  # what a reader does with each fault: `stop`, or `append`


def stop(error: DatasetError) -> NoReturn:
    """The strict `Fault`: raises the first error."""
    raise error


def shown(value: object) -> str:
    """A value found in a file, for an error message: in ASCII, cut after 60 characters."""
    text = ascii(value) if isinstance(value, (str, int, float)) else json_type(value)
    return text if len(text) <= 60 else text[:57] + "..."


def json_type(value: object) -> str:
    """What json calls the type of a value: 'a list', 'null'."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {dict: "an object", list: "a list", str: "a string", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)

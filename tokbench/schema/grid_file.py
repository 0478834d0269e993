"""A grid as a file: which cells a paper's table or figure needs, and what the paper claims of them.

A file with panels is a figure: each panel varies one option along x and perhaps a second one from
line to line. A file without panels is a table, a row per tokenizer. docs/grids.md has the format.
"""

from __future__ import annotations

import difflib
import itertools
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from tokbench.errors import ConfigError, listed
from tokbench.scoring.metrics import CUTOFFS

FIGURES = tuple(f"{metric}@{k}" for metric in ("recall", "ndcg") for k in CUTOFFS)
ROWS = "tokenizer"  # the axis of a table
Value = int | float | str


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("figure", "figures", check_fields=False)
    @classmethod
    def known_figure(cls, given: str | tuple[str, ...]) -> str | tuple[str, ...]:
        """Recall or NDCG at a cutoff that records hold."""
        for name in [given] if isinstance(given, str) else given:
            if name not in FIGURES:
                raise ValueError(f"no figure {name!r}; allowed: {listed(FIGURES)}")
        return given


class Source(_Closed):
    """What is being reproduced."""

    paper: str
    place: str  # "Figure 4"
    note: str = ""  # what the paper leaves open, and what this file chose


class Axis(_Closed):
    """An option and the values it takes."""

    option: str = Field(pattern=r"^[a-z0-9-]+\.[a-z0-9_]+$")  # as in --set
    symbol: str  # the paper's letter
    label: str = ""  # what it stands for, on the axis of a plot
    values: tuple[Value, ...] = Field(min_length=1)
    scale: Literal["linear", "log"] = "linear"


class Panel(_Closed):
    """One plot: a figure of merit along x, a line per value of `lines`."""

    name: str
    figure: str
    x: Axis
    lines: Axis | None = None

    @property
    def axes(self) -> tuple[Axis, ...]:
        """x, and the lines where there are any."""
        return (self.x,) if self.lines is None else (self.x, self.lines)


class Claim(_Closed):
    """A statement of the paper as an order of points along one axis: see report/claims.py."""

    says: str
    figures: tuple[str, ...] = Field(min_length=1)
    panel: str = ""
    at: dict[str, Value] = {}  # where on the panel's other axis
    order: tuple[Value, ...] = ()  # from the lowest figure to the highest
    best: Value | None = None  # or: this one above all others of its axis

    @model_validator(mode="after")
    def one_statement(self) -> Self:
        """An order of two or more, or a best one."""
        if (len(self.order) < 2) == (self.best is None):
            raise ValueError("a claim has either `order`, of two values or more, or `best`")
        return self


class GridFile(_Closed):
    """The whole file."""

    title: str
    source: Source
    run: dict[str, Any]  # fields of a request; checked where requests are made
    panels: tuple[Panel, ...] = ()
    claims: tuple[Claim, ...] = ()

    @model_validator(mode="after")
    def claims_fit_panels(self) -> Self:
        """Names are unique, and what a claim names is there."""
        names = [panel.name for panel in self.panels]
        if len(set(names)) < len(names):
            raise ValueError(f"panels: two have one name: {listed(names)}")
        for claim in self.claims:
            if not self.panels:
                if claim.panel or claim.at:
                    raise ValueError(f"claim {claim.says!r}: a table has no panel and no `at`")
                continue
            if claim.panel not in names:
                raise ValueError(
                    f"claim {claim.says!r}: no panel {claim.panel!r}; allowed: {listed(names)}"
                )
            _check_axes(claim, self.panels[names.index(claim.panel)])
        return self


def _check_axes(claim: Claim, panel: Panel) -> None:
    """`at` fixes every axis but one, to values that are there; the order is along that one."""
    axes = {axis.option: axis for axis in panel.axes}
    free = [option for option in axes if option not in claim.at]
    if len(free) != 1 or not claim.at.keys() <= axes.keys():
        raise ValueError(
            f"claim {claim.says!r}: `at` must fix all axes of panel {panel.name!r} but one, "
            f"and nothing else; its axes: {listed([*axes])}"
        )
    asked = [*claim.at.items(), *((free[0], value) for value in claim.order)]
    asked += [] if claim.best is None else [(free[0], claim.best)]
    for option, value in asked:
        if value not in axes[option].values:
            allowed = listed([str(known) for known in axes[option].values])
            raise ValueError(f"claim {claim.says!r}: {option} = {value!r}; allowed: {allowed}")


@dataclass(frozen=True)
class Point:
    """A place in a panel: the axes' options with their values. In a table, a row."""

    panel: str
    at: tuple[tuple[str, Value], ...]

    @property
    def overrides(self) -> tuple[str, ...]:
        """As `--set` takes them."""
        return tuple(f"{option}={value}" for option, value in self.at if option != ROWS)


def points_of(file: GridFile, tokenizers: Iterable[str]) -> list[Point]:
    """Every point, in the file's order; a table has one per tokenizer of the request."""
    if not file.panels:
        return [Point("", ((ROWS, name),)) for name in tokenizers]
    return [
        Point(panel.name, tuple(zip((axis.option for axis in panel.axes), values, strict=True)))
        for panel in file.panels
        for values in itertools.product(*(axis.values for axis in panel.axes))
    ]


def read_grid_file(path: Path) -> GridFile:
    """Raises ConfigError with the file, the table, the field, and what is allowed there."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # not toml, or not text
        raise ConfigError(f"{path}: not a TOML file: {error}") from error
    try:
        return GridFile.model_validate(content)
    except ValidationError as error:
        findings = "; ".join(_finding(item) for item in error.errors())
        raise ConfigError(f"{path}: {findings} (the format: docs/grids.md)") from error


TABLES: dict[str, type[_Closed]] = {
    "source": Source, "x": Axis, "lines": Axis, "panels": Panel, "claims": Claim,
}  # fmt: skip


def _finding(item: ErrorDetails) -> str:
    """One of pydantic's findings as `table: field ...`, rows counted from 1."""
    where: Sequence[str | int] = item["loc"]
    words = " ".join(str(part + 1) if isinstance(part, int) else f"[{part}]" for part in where[:-1])
    table = f"{words}: " if words else ""
    if item["type"] == "extra_forbidden":
        owner = next((TABLES[p] for p in reversed(where[:-1]) if p in TABLES), GridFile)
        fields = [*owner.model_fields]
        near = difflib.get_close_matches(str(where[-1]), fields, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        return f"{table}no field {where[-1]!r}; {hint}allowed: {listed(fields)}"
    field = f"{where[-1]}: " if where else ""
    return f"{table}{field}{item['msg'].removeprefix('Value error, ')}"

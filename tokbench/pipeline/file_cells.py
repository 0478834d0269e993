"""The cells of a grid file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokbench.errors import ConfigError, listed
from tokbench.pipeline.cell import Cell
from tokbench.pipeline.resolve import Request, make_request, resolve
from tokbench.registry.registry import Registry
from tokbench.schema.grid_file import ROWS, GridFile, Point, points_of
from tokbench.schema.run_spec import is_baseline


@dataclass(frozen=True)
class FileCell:
    """A cell of a grid file and the point it stands for; None for a baseline."""

    point: Point | None
    cell: Cell


def file_cells(
    path: Path,
    file: GridFile,
    given: Mapping[str, Any],
    registry: Registry,
    device: str = "cpu",
) -> list[FileCell]:
    """The cells of every point of a file (a cell may stand for several), then the baselines.

    `given` are fields of a request that replace the file's; overrides add to them. Raises
    ConfigError naming the file.
    """
    fields = {**file.run, **given}
    fields["overrides"] = (*file.run.get("overrides", ()), *given.get("overrides", ()))
    try:
        request = make_request(**fields)
        _check_beside(file, request)
        found = []
        for point in points_of(file, request.tokenizers):
            added = {"overrides": (*request.overrides, *point.overrides)}
            if not file.panels:
                added["tokenizers"] = (str(dict(point.at)[ROWS]),)
            for cell in resolve(request.model_copy(update=added), registry, device):
                beside = is_baseline(cell.spec.tokenizer.name, cell.spec.generator.name)
                found.append(FileCell(None if beside else point, cell))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    measured = [one for one in found if one.point is not None]
    baselines = {one.cell.spec.run_id: one for one in found if one.point is None}
    return [*measured, *baselines.values()]


def _check_beside(file: GridFile, request: Request) -> None:
    """What is fixed may not also vary, and a figure has one tokenizer."""
    axes = {axis.option for panel in file.panels for axis in panel.axes}
    fixed = {text.partition("=")[0] for text in request.overrides}
    if axes & fixed:
        raise ConfigError(f"{listed(sorted(axes & fixed))}: an axis of this file, not to be set")
    if file.panels and len(request.tokenizers) != 1:
        raise ConfigError(
            f"a figure has one tokenizer, not {len(request.tokenizers)}: "
            f"{listed(request.tokenizers)} (run the file once for each)"
        )

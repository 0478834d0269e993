"""What a run would do, without doing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tokbench.pipeline.cell import Cell, DataCache, reads_ids
from tokbench.pipeline.context import RunContext
from tokbench.pipeline.resolve import Request, resolve
from tokbench.pipeline.schedule import CellProgress
from tokbench.pipeline.shared_store import open_store
from tokbench.registry.isolated.isolated import isolated_registry
from tokbench.registry.registry import Registry
from tokbench.schema.record import find_record
from tokbench.schema.run_spec import RunSpec


@dataclass(frozen=True)
class PlannedCell:
    """What `plan` says of one cell."""

    spec: RunSpec
    stages: tuple[str, ...]  # those that are stored, in order
    ready: tuple[str, ...]  # of them, those that are in the store
    recorded: bool  # a completed record is there: nothing to do
    example: str  # the first item's text, as the encoder will read it
    items: int
    interactions: int


def plan_grid(
    request: Request, context: RunContext, *, registry: Registry | None = None
) -> list[PlannedCell]:
    """`plan_cells` for every cell of a request."""
    return plan_cells(resolve(request, registry or isolated_registry(), context.device), context)


def plan_cells(cells: Sequence[Cell], context: RunContext) -> list[PlannedCell]:
    """What a run of these cells would do.

    A stage's key needs the content of its inputs, so whatever follows a missing stage counts as
    to do.
    """
    data, planned = DataCache(context.runtime()), []
    for cell in data.served(cells):
        progress, dataset = find_stages(cell, context, data), data.of(cell).dataset
        planned.append(
            PlannedCell(
                cell.spec,
                tuple(stage.name for stage in cell.stages if stage.save),
                tuple(progress.keys),
                find_record(context.results, cell.spec) is not None,
                (dataset.item_ids if reads_ids(cell.encoder) else dataset.texts)[0],
                len(dataset.item_ids),
                len(dataset.interactions.items),
            )
        )
    return planned


def find_stages(cell: Cell, context: RunContext, data: DataCache) -> CellProgress:
    """How far the store's artifacts bring a cell."""
    progress, store = CellProgress(cell, data.of(cell)), open_store(context)
    for stage, key in progress.ready():
        artifact = store.find(stage.name, key)
        if artifact is not None:
            progress.add(stage, key, artifact, built=False)
    return progress

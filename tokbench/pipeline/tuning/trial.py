"""One trial: a cell up to its trained generator, judged by the validation users.

The test queries are taken out of the split before anything runs, so no trial can read one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tokbench.errors import ConfigError, TokbenchError, listed
from tokbench.pipeline.cell import Cell, Data, DataCache
from tokbench.pipeline.context import RunContext
from tokbench.pipeline.executor import Failed, Task, Worker
from tokbench.pipeline.resolve import Request, resolve
from tokbench.pipeline.schedule import CellProgress
from tokbench.pipeline.stages import STAGE, generate
from tokbench.pipeline.store import Artifact
from tokbench.pipeline.tuning.space import Space, parse_space, read_space
from tokbench.registry.registry import Registry
from tokbench.schema.tuned import SELECTED_BY, Setting, Trial, as_override
from tokbench.scoring.metrics import ndcg, recall
from tokbench.scoring.placement import place
from tokbench.types import Queries, Sequences

MADE = ("embed", "tokenize", "address", "train")  # of the pipeline; found in the store, or built


class UntestedData(DataCache):
    """Datasets whose splits have no test queries."""

    def of(self, cell: Cell) -> Data:
        """The data of a cell without its test part. Raises DatasetError."""
        full = super().of(cell)
        nothing = Queries(np.zeros(0, np.int64), Sequences.of([]), np.zeros(0, np.int64))
        return Data(full.dataset, replace(full.split, test=nothing))


class Trials:
    """Trials of the one cell that a request names, each with options of its own."""

    def __init__(self, request: Request, context: RunContext, registry: Registry) -> None:
        self._request, self._context, self._registry = request, context, registry
        self.data = UntestedData(context.runtime())
        self._worker = Worker(context, (), self.data)

    def cell(self, settings: Mapping[str, Setting] | None = None) -> Cell:
        """The cell with these settings. Raises ConfigError where the request names several."""
        more = tuple(map(as_override, (settings or {}).items()))
        overrides = (*self._request.overrides, *more)
        cells = resolve(
            self._request.model_copy(update={"overrides": overrides}),
            self._registry,
            self._context.device,
        )
        if len(cells) != 1:
            names = [f"{cell.spec.tokenizer.label}/{cell.spec.generator.label}" for cell in cells]
            raise ConfigError(f"a tuning is of one method on one dataset, not {listed(names)}")
        return cells[0]

    def searched(
        self, written: Sequence[str]
    ) -> tuple[dict[str, str], dict[str, str], Space, dict[str, Setting]]:
        """What a Study needs to know: what all trials have in common, the space as written and as
        it is, and the options as they are. Raises ConfigError."""
        cell, registry = self.cell(), self._registry
        spec, kinds = cell.spec, {"tokenizer": cell.tokenizer, "generator": cell.generator}
        parts = {kind: registry.get(kind, part.name) for kind, part in kinds.items()}
        spelt = read_space(written, parts)
        space = parse_space(spelt, parts)
        about = {
            **{kind: getattr(spec, kind).label for kind in ("dataset", "encoder", *kinds)},
            "policy": spec.collision_policy,
            "profile": spec.profile,
            "protocol": spec.protocol,
            "beam_width": str(spec.beam_width),
            "fingerprints": " ".join(getattr(spec, kind).fingerprint for kind in kinds),
            "data": self.data.of(cell).dataset.digest()[:16],
        }
        configs = {part.name: part.config for part in kinds.values()}
        first = {name: getattr(configs[name.partition(".")[0]], name.partition(".")[2])
                 for name in space}  # fmt: skip
        return about, spelt, space, first

    def run(self, number: int, settings: dict[str, Setting]) -> Trial:
        """Train once and score the validation users; what fails is a trial with an error."""
        began = time.process_time()
        figures, error = dict[str, float](), None
        try:
            figures = self._figures(self.cell(settings))
        except TokbenchError as failure:
            error = str(failure)
        seconds = round(time.process_time() - began, 1)
        return Trial(
            number=number, settings=settings, figures=figures, core_seconds=seconds, error=error
        )

    def _figures(self, cell: Cell) -> dict[str, float]:
        made, data = self._made(cell), self.data.of(cell)
        ids, state = (_value(made[name], name) for name in ("address", "train"))
        histories: Any = data.value("histories", cell)
        queries = histories.validation
        width, runtime = cell.spec.beam_width, self._context.runtime(cell.spec.precision)
        beams = generate(cell.generator, state, ids, queries.histories, width, runtime)
        placement = place(beams, ids, queries.targets)
        found = {SELECTED_BY: ndcg(placement, 10), "recall@10": recall(placement, 10)}
        return {name: round(float(values.mean()), 6) for name, values in found.items()}

    def _made(self, cell: Cell) -> dict[str, Artifact]:
        """The artifacts of MADE, by stage. Raises TokbenchError with what a stage says."""
        progress, made = CellProgress(cell, self.data.of(cell)), dict[str, Artifact]()
        for stage, key in progress.ready():
            if stage.name not in MADE:
                continue
            result = self._worker.do(Task(cell, stage.name, {**progress.keys, stage.name: key}))
            if isinstance(result, Failed):
                raise TokbenchError(result.error)
            assert isinstance(result, Artifact)
            progress.add(stage, key, result, built=result.built)
            made[stage.name] = result
            if stage.name == MADE[-1]:  # keys of later stages are made of the test part
                break
        return made


def _value(artifact: Artifact, stage: str) -> Any:
    """What the stage made."""
    load = STAGE[stage].load
    assert load is not None
    return load(artifact.folder)

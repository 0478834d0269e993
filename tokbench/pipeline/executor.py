"""The straight line of one cell, each stage through the store.

    load -> split -> embed -> tokenize -> address -> train -> generate -> place -> score -> record
                                      '-> measure            '-> exhaust

A stage's key is made of the content of its inputs, so cells share whatever they have in common,
and editing a tokenizer reruns what comes after it only if its codes changed.
"""

from __future__ import annotations

import datetime
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tokbench.api import Metric, Progress, Quiet, Runtime
from tokbench.errors import TokbenchError
from tokbench.pipeline import environment, stages
from tokbench.pipeline.outcome import Made, State, make_outcome, state_digest
from tokbench.pipeline.resolve import Cell
from tokbench.pipeline.store import (
    Artifact,
    Store,
    read_arrays,
    read_figures,
    read_table,
    read_weights,
    write_arrays,
    write_figures,
    write_table,
    write_weights,
)
from tokbench.schema.record import Cost, Outcome, Provenance, Record
from tokbench.schema.run_spec import ComponentSpec, RunSpec, canonical_digest
from tokbench.scoring.splits import Split
from tokbench.types import Beams, Catalog, Dataset, Floats, SemanticIds, digest

STAGES = ("embed", "tokenize", "address", "train", "generate")
MEASURES = EXHAUSTS = 1  # raise one when its figures change: what is in the store is made again


@dataclass(frozen=True)
class Place:
    """Where to compute and where to keep things: never part of a result's identity."""

    results: Path
    cache: Path
    device: str = "cpu"
    progress: Progress = field(default_factory=Quiet)
    command: str = ""

    def runtime(self) -> Runtime:
        """A Runtime with an empty log."""
        return Runtime(self.device, self.cache / "downloads", self.progress)


@dataclass
class Notices:
    """What a caller may want to hear while a grid runs; the command line prints it."""

    cell_started: Callable[[int, int, RunSpec], None] = lambda number, total, spec: None
    stage_done: Callable[[RunSpec, str, Cost], None] = lambda spec, stage, cost: None
    cell_done: Callable[[Record, Path | None], None] = lambda record, path: None


class NotBuiltError(TokbenchError):
    """A stage's artifact is not in the store, and this line may not build it."""


class Line:
    """Walks cells. With `build=False` it only finds what is already there (NotBuiltError)."""

    def __init__(
        self, place: Place, metrics: Sequence[Metric], notices: Notices, *, build: bool = True
    ) -> None:
        self.place, self.metrics, self.notices, self.build = place, metrics, notices, build
        self.store = Store(place.cache / "store")
        self._datasets: dict[str, tuple[Dataset, Split]] = {}

    def dataset(self, cell: Cell) -> tuple[Dataset, Split]:
        """load + split, once per process. Raises DatasetError."""
        key = canonical_digest([cell.spec.dataset.model_dump(mode="json"), cell.spec.protocol])
        if key not in self._datasets:
            dataset = cell.dataset.load(runtime=self.place.runtime())
            self._datasets[key] = (dataset, stages.split(dataset, cell.spec.protocol))
        return self._datasets[key]

    def walk_safely(self, cell: Cell) -> Record:
        """`walk`, with whatever a component raises turned into a failed record."""
        try:
            return self.walk(cell)
        except (Exception, SystemExit) as error:  # a plugin may call sys.exit
            return failed_record(cell, self.place, _sentence(error))

    def walk(self, cell: Cell) -> Record:
        """The whole line for one cell."""
        dataset, split = self.dataset(cell)
        made = self.make(cell)
        outcome = make_outcome(made, dataset, split, self.metrics)
        return _record(cell, self.place, made.costs, outcome)

    def make(self, cell: Cell) -> Made:
        """The stages that are kept in the store: embed to generate, measure and exhaust."""
        dataset, split = self.dataset(cell)
        walk = _Walk(self, cell, dataset, split)
        embeddings = walk.embed()
        catalog = stages.catalog(dataset, embeddings, walk.visible_interactions())
        raw, told = walk.tokenize(catalog)
        ids = walk.address(raw, embeddings)
        state = walk.train(catalog, ids)
        beams = walk.generate(state, ids)
        return Made(
            embeddings=embeddings,
            raw=raw,
            ids=ids,
            state=state,
            beams=beams,
            measures=walk.measure(raw, embeddings),
            told=told,
            searched=walk.exhaust(state, ids, beams),
            costs=walk.costs,
            curves=walk.curves,
        )


class _Walk:
    """One cell's stages: each method gives the stage its key, and builds it if need be."""

    def __init__(self, line: Line, cell: Cell, dataset: Dataset, split: Split) -> None:
        self.line, self.cell, self.spec = line, cell, cell.spec
        self.texts_digest, self.dataset, self.split = digest(dataset.texts), dataset, split
        self.costs: dict[str, Cost] = {}
        self.curves: dict[str, list[dict[str, float]]] = {}

    def embed(self) -> Floats:
        def build(folder: Path, runtime: Runtime) -> None:
            write_table(folder, stages.embed(self.dataset, self.cell.encoder, runtime))

        key = [self.texts_digest, _identity(self.spec.encoder), "npy"]
        return read_table(self._obtain("embed", key, build))

    def visible_interactions(self) -> Any:
        """Training rows, if the tokenizer's class says that it uses them."""
        return self.split.histories.train if self.cell.tokenizer.uses_interactions else None

    def tokenize(self, catalog: Catalog) -> tuple[SemanticIds, dict[str, float]]:
        """The codes, and what the tokenizer told of itself."""
        tokenizer, seed = self.cell.tokenizer, self.spec.tokenizer_seed

        def build(folder: Path, runtime: Runtime) -> _Rest:
            ids = stages.tokenize(catalog, tokenizer, seed, runtime)
            _write_ids(folder, ids)
            return lambda: write_figures(
                folder,
                stages.measure_own_decoder(ids, catalog.embeddings, tokenizer.name, runtime),
            )

        key = [catalog.digest(), _identity(self.spec.tokenizer), self.spec.tokenizer_seed]
        folder = self._obtain("tokenize", key, build)
        return _read_ids(folder), read_figures(folder)

    def address(self, raw: SemanticIds, embeddings: Floats) -> SemanticIds:
        def build(folder: Path, runtime: Runtime) -> None:
            _write_ids(folder, stages.address(raw, embeddings, self.spec.collision_policy))

        key = [raw.digest(), digest(embeddings), self.spec.collision_policy]
        return _read_ids(self._obtain("address", key, build))

    def train(self, catalog: Catalog, ids: SemanticIds) -> State:
        def build(folder: Path, runtime: Runtime) -> None:
            histories, seed = self.split.histories, self.spec.generator_seed
            model = stages.train(catalog, histories, ids, self.cell.generator, seed, runtime)
            write_weights(folder, model.state())

        key = [
            catalog.digest(),
            self.split.histories.digest(),
            ids.digest(),
            _identity(self.spec.generator),
            self.spec.generator_seed,
        ]
        return read_weights(self._obtain("train", key, build))

    def generate(self, state: State, ids: SemanticIds) -> Beams:
        histories, width = self.split.test.histories, self.spec.beam_width

        def build(folder: Path, runtime: Runtime) -> None:
            model = self.cell.generator.restore(state, ids)
            beams = stages.generate(model, histories, ids, width, runtime)
            write_arrays(folder, {"codes": beams.codes, "scores": beams.scores})

        model = [state_digest(state), _identity(self.spec.generator)]
        key = [model, digest(histories), ids.digest(), width]
        arrays = read_arrays(self._obtain("generate", key, build))
        return Beams(arrays["codes"], arrays["scores"])

    def measure(self, raw: SemanticIds, embeddings: Floats) -> dict[str, float]:
        """Intrinsic measures of the tokenizer's own codes."""
        train = self.split.histories.train

        def build(folder: Path, runtime: Runtime) -> None:
            with runtime.progress.track("measure", total=1) as advance:
                write_figures(folder, stages.measure(raw, embeddings, self.dataset, train))
                advance()

        categories = digest(self.dataset.categories)
        key = [MEASURES, raw.digest(), digest(embeddings), categories, train.digest()]
        return read_figures(self._obtain("measure", key, build))

    def exhaust(self, state: State, ids: SemanticIds, beams: Beams) -> dict[str, Any]:
        """The beam against an exhaustive search, for generators that can do one."""
        generator, test = self.cell.generator, self.split.test
        if not generator.exact_at_full_width:
            return {}

        def build(folder: Path, runtime: Runtime) -> None:
            model = generator.restore(state, ids)
            write_arrays(folder, stages.exhaust(model, test, beams, ids, runtime))

        model = [state_digest(state), _identity(self.spec.generator)]
        key = [EXHAUSTS, model, digest(test), ids.digest(), digest(beams)]
        return read_arrays(self._obtain("exhaust", key, build))

    def _obtain(self, stage: str, inputs: list[Any], build: _Build) -> Path:
        """The folder of a stage's artifact, found or built, its cost and curve noted."""
        line, key = self.line, canonical_digest([stage, *inputs])

        def timed(folder: Path) -> dict[str, Any]:
            runtime, start = line.place.runtime(), time.perf_counter()
            environment.forget_device_peak(runtime.device)
            rest = build(folder, runtime)
            seconds = round(time.perf_counter() - start, 3)
            cost = {
                "seconds": seconds,
                "peak_memory_mb": environment.peak_memory_mb(),
                "device_memory_mb": environment.device_peak_mb(runtime.device),
            }
            if rest is not None:
                rest()
            return {"cost": cost, "log": runtime.rows}

        artifact: Artifact | None = line.store.find(stage, key)
        if artifact is None:
            if not line.build:
                raise NotBuiltError(f"{stage} {key} is not in the store")
            artifact = line.store.obtain(stage, key, timed)
        self.costs[stage] = Cost(**artifact.facts["cost"], reused=not artifact.built)
        if artifact.facts["log"]:
            self.curves[stage] = artifact.facts["log"]
        line.notices.stage_done(self.spec, stage, self.costs[stage])
        return artifact.folder


_Rest = Callable[[], None]  # what is left to do once the clock has stopped
_Build = Callable[[Path, Runtime], _Rest | None]


def _identity(component: ComponentSpec) -> list[Any]:
    """What of a component enters a stage's key: not its label, not where its files are."""
    return [component.name, component.config, component.fingerprint, component.inputs]


def _write_ids(folder: Path, ids: SemanticIds) -> None:
    sizes = np.asarray(ids.level_sizes, dtype=np.int64)
    write_arrays(folder, {"codes": ids.codes, "level_sizes": sizes})


def _read_ids(folder: Path) -> SemanticIds:
    arrays = read_arrays(folder)
    return SemanticIds(arrays["codes"], tuple(arrays["level_sizes"].tolist()))


def failed_record(cell: Cell, place: Place, error: str) -> Record:
    """The record of a cell that came to nothing, with the sentence that says why."""
    return _record(cell, place, {}, error=error)


def _record(
    cell: Cell,
    place: Place,
    costs: dict[str, Cost],
    outcome: Outcome | None = None,
    error: str | None = None,
) -> Record:
    provenance = Provenance(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=place.command,
        costs=costs,
        environment=environment.describe(place.device),
        public=cell.public,
    )
    return Record(
        run_id=cell.spec.run_id,
        status="failed" if outcome is None else "done",
        spec=cell.spec,
        outcome=outcome,
        error=error,
        provenance=provenance,
    )


def _sentence(error: Exception | SystemExit) -> str:
    """What went wrong, and for errors that are not ours, where."""
    if isinstance(error, TokbenchError):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} (at {Path(last.filename).name}:{last.lineno})"

"""The straight line of one cell, each stage through the store.

    load -> split -> embed -> tokenize -> address -> train -> generate -> place -> score -> record

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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tokbench import environment, stages
from tokbench.api import Metric, Progress, Quiet, Runtime
from tokbench.errors import TokbenchError
from tokbench.intervals import bootstrap
from tokbench.record import Cost, Outcome, Packed, Provenance, Record, figures_of, pack_placement
from tokbench.request import Cell
from tokbench.spec import ComponentSpec, RunSpec, canonical_digest
from tokbench.splits import Split
from tokbench.store import Artifact, Store, read_arrays, read_weights, write_arrays, write_weights
from tokbench.types import Beams, Catalog, Dataset, Floats, SemanticIds, digest

STAGES = ("embed", "tokenize", "address", "train", "generate")
State = dict[str, NDArray[Any]]


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
        placement = stages.place(made.beams, made.ids, split.test.targets)
        figures = stages.score(placement, made.ids, made.embeddings, self.metrics)
        figures |= raw_collisions(made.raw)
        outcome = Outcome(
            users=len(split.test),
            items=len(dataset.item_ids),
            interactions=len(dataset.interactions.items),
            digests={
                "dataset": dataset.digest(),
                "split": split.digest(),
                "embed": digest(made.embeddings),
                "tokenize": made.raw.digest(),
                "address": made.ids.digest(),
                "train": state_digest(made.state),
                "generate": digest(made.beams),
            },
            figures=figures_of(figures, intervals_of(figures)),
            placement=pack_placement(placement),
            codes=Packed.of(made.ids.codes),
            level_sizes=made.ids.level_sizes,
            curves=made.curves,
        )
        return _record(cell, self.place, made.costs, outcome)

    def make(self, cell: Cell) -> Made:
        """The stages that are kept in the store: embed to generate."""
        dataset, split = self.dataset(cell)
        walk = _Walk(self, cell, dataset, split)
        embeddings = walk.embed()
        catalog = stages.catalog(dataset, embeddings, walk.visible_interactions())
        raw = walk.tokenize(catalog)
        ids = walk.address(raw, embeddings)
        state = walk.train(catalog, ids)
        beams = walk.generate(state, ids)
        return Made(embeddings, raw, ids, state, beams, walk.costs, walk.curves)


class Made(NamedTuple):
    """What the stored stages of one cell gave."""

    embeddings: Floats
    raw: SemanticIds  # as the tokenizer made them
    ids: SemanticIds  # after the collision policy
    state: State
    beams: Beams
    costs: dict[str, Cost]
    curves: dict[str, list[dict[str, float]]]


class _Walk:
    """One cell's stages: each method gives the stage its key, and builds it if need be."""

    def __init__(self, line: Line, cell: Cell, dataset: Dataset, split: Split) -> None:
        self.line, self.cell, self.spec = line, cell, cell.spec
        self.texts_digest, self.dataset, self.split = digest(dataset.texts), dataset, split
        self.costs: dict[str, Cost] = {}
        self.curves: dict[str, list[dict[str, float]]] = {}

    def embed(self) -> Floats:
        def build(folder: Path, runtime: Runtime) -> None:
            write_arrays(folder, {"x": stages.embed(self.dataset, self.cell.encoder, runtime)})

        key = [self.texts_digest, _identity(self.spec.encoder)]
        x: Floats = read_arrays(self._obtain("embed", key, build))["x"]
        return x

    def visible_interactions(self) -> Any:
        """Training rows, if the tokenizer's class says that it uses them."""
        return self.split.histories.train if self.cell.tokenizer.uses_interactions else None

    def tokenize(self, catalog: Catalog) -> SemanticIds:
        def build(folder: Path, runtime: Runtime) -> None:
            seed = self.spec.tokenizer_seed
            _write_ids(folder, stages.tokenize(catalog, self.cell.tokenizer, seed, runtime))

        key = [catalog.digest(), _identity(self.spec.tokenizer), self.spec.tokenizer_seed]
        return _read_ids(self._obtain("tokenize", key, build))

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

    def _obtain(self, stage: str, inputs: list[Any], build: _Build) -> Path:
        """The folder of a stage's artifact, found or built, its cost and curve noted."""
        line, key = self.line, canonical_digest([stage, *inputs])

        def timed(folder: Path) -> dict[str, Any]:
            runtime, start = line.place.runtime(), time.perf_counter()
            build(folder, runtime)
            seconds = round(time.perf_counter() - start, 3)
            cost = {"seconds": seconds, "peak_memory_mb": environment.peak_memory_mb()}
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


_Build = Callable[[Path, Runtime], None]


def _identity(component: ComponentSpec) -> list[Any]:
    """What of a component enters a stage's key: not its label, not where its files are."""
    return [component.name, component.config, component.fingerprint, component.inputs]


def _write_ids(folder: Path, ids: SemanticIds) -> None:
    sizes = np.asarray(ids.level_sizes, dtype=np.int64)
    write_arrays(folder, {"codes": ids.codes, "level_sizes": sizes})


def _read_ids(folder: Path) -> SemanticIds:
    arrays = read_arrays(folder)
    return SemanticIds(arrays["codes"], tuple(arrays["level_sizes"].tolist()))


def state_digest(state: State) -> str:
    """Content digest of a model's named arrays."""
    return digest(tuple((name, state[name]) for name in sorted(state)))


def raw_collisions(ids: SemanticIds) -> dict[str, float]:
    """Collision figures of the tokenizer itself, before the collision policy."""
    _, _, sizes = ids.groups()
    return {
        "raw/duplicate_rate": 1.0 - len(sizes) / len(ids),
        "raw/items_in_collision": float(sizes[sizes > 1].sum() / len(ids)),
    }


def intervals_of(figures: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """95 % bootstrap intervals over users, one resampling for all figures."""
    names = [name for name, value in figures.items() if isinstance(value, np.ndarray)]
    if not names:
        return {}
    low, high = bootstrap(np.stack([figures[name] for name in names], axis=1))
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(names)}


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

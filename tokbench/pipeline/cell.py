"""A cell of a grid, and what its stages take besides the output of others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tokbench.api import DatasetSource, Encoder, Generator, Runtime, Tokenizer
from tokbench.pipeline import stages
from tokbench.schema.run_spec import ComponentSpec, RunSpec, canonical_digest
from tokbench.scoring.splits import Split
from tokbench.types import Dataset, digest


@dataclass(frozen=True)
class Cell:
    """A RunSpec with the live components it names."""

    spec: RunSpec
    dataset: DatasetSource
    encoder: Encoder
    tokenizer: Tokenizer
    generator: Generator
    public: bool  # False when a single plugin file takes part: such a row is marked

    @property
    def stages(self) -> list[stages.Stage]:
        """The stages of this cell, in order."""
        return stages.stages_of(self.generator)


@dataclass(frozen=True)
class Data:
    """A dataset, loaded and split."""

    dataset: Dataset
    split: Split

    @cached_property
    def sources(self) -> dict[str, object]:
        """What stages take of it, by name."""
        return stages.sources(self.dataset, self.split)

    @cached_property
    def digests(self) -> dict[str, str]:
        """Content digests of `sources`, computed once."""
        return {name: digest(value) for name, value in self.sources.items()}

    def value(self, name: str, cell: Cell) -> object:
        """What a stage of the cell gets for an input that is no stage."""
        if name == "visible_interactions":
            return self.sources["training_rows"] if cell.tokenizer.uses_interactions else None
        if name in self.sources:
            return self.sources[name]
        chosen: object = getattr(cell.spec, name)
        return getattr(cell, name) if isinstance(chosen, ComponentSpec) else chosen

    def digest(self, name: str, cell: Cell) -> object:
        """What stands for that value in a key."""
        if name == "visible_interactions":
            return self.digests["training_rows"] if cell.tokenizer.uses_interactions else None
        if name in self.sources:
            return self.digests[name]
        chosen: object = getattr(cell.spec, name)
        if isinstance(chosen, ComponentSpec):  # not its label, not where its files are
            return [chosen.name, chosen.config, chosen.fingerprint, chosen.inputs]
        return chosen


class DataCache:
    """The datasets of a grid, each loaded and split once in a process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._data: dict[str, Data] = {}

    def of(self, cell: Cell) -> Data:
        """The data of a cell. Raises DatasetError."""
        key = canonical_digest([cell.spec.dataset.model_dump(mode="json"), cell.spec.protocol])
        if key not in self._data:
            dataset = cell.dataset.load(runtime=self._runtime)
            self._data[key] = Data(dataset, stages.split(dataset, cell.spec.protocol))
        return self._data[key]

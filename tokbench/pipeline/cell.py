"""A cell of a grid, and what its stages take besides the output of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from tokbench.api import DatasetSource, Encoder, Generator, Runtime, Tokenizer
from tokbench.errors import DatasetError
from tokbench.pipeline import stages
from tokbench.schema.record import Budget
from tokbench.schema.run_spec import ComponentSpec, RunSpec, canonical_digest, is_baseline
from tokbench.scoring.splits import Split, with_times, without_query_times
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
    tuned: tuple[Budget, ...] = ()  # what chose its options, where a tuning did

    @property
    def stages(self) -> list[stages.Stage]:
        """The stages of this cell, in order."""
        return stages.stages_of(self.generator)


class Sources:
    """What stages take of the data, by name."""

    def __init__(self, dataset: Dataset, split: Split) -> None:
        self.values = stages.sources(dataset, split)

    @cached_property
    def digests(self) -> dict[str, str]:
        """Their content digests, computed once."""
        return {name: digest(value) for name, value in self.values.items()}


@dataclass(frozen=True)
class Data:
    """A dataset, loaded and split."""

    dataset: Dataset
    split: Split

    @cached_property
    def plain(self) -> Sources:
        """Without any times."""
        return Sources(self.dataset, self.split)

    @cached_property
    def timed(self) -> Sources:
        """With the times of what the histories hold, for generators that use them."""
        return Sources(self.dataset, without_query_times(self._timed_split))

    @cached_property
    def asked(self) -> Sources:
        """With the times of the targets too, for diagnostics."""
        return Sources(self.dataset, self._timed_split)

    @property
    def _timed_split(self) -> Split:
        return stages.split(with_times(self.dataset), self.split.protocol)

    def sources(self, name: str, cell: Cell) -> Sources:
        """Where the source `name` comes from for this cell: only what a generator reads has times,
        and only for one that uses them."""
        generator = cell.generator
        if not (generator.uses_times and name in ("histories", "test", "test_histories")):
            return self.plain
        return self.asked if generator.uses_query_time else self.timed

    def value(self, name: str, cell: Cell) -> object:
        """What a stage of the cell gets for an input that is no stage."""
        if name == "visible_interactions":
            return self.value("training_rows", cell) if cell.tokenizer.uses_interactions else None
        if name == "encoded":
            return self.value("item_ids" if reads_ids(cell.encoder) else "texts", cell)
        if name in self.plain.values:
            return self.sources(name, cell).values[name]
        chosen: object = getattr(cell.spec, name)
        return getattr(cell, name) if isinstance(chosen, ComponentSpec) else chosen

    def digest(self, name: str, cell: Cell) -> object:
        """What stands for that value in a key."""
        if name == "visible_interactions":
            return self.digest("training_rows", cell) if cell.tokenizer.uses_interactions else None
        if name == "encoded":
            return self.digest("item_ids" if reads_ids(cell.encoder) else "texts", cell)
        if name in self.plain.values:
            return self.sources(name, cell).digests[name]
        chosen: object = getattr(cell.spec, name)
        if isinstance(chosen, ComponentSpec):  # not its label, not where its files are
            identity = [chosen.name, chosen.config, chosen.fingerprint, chosen.inputs]
            precise = name != "generator" or cell.spec.precision == "float32"
            return identity if precise else [*identity, cell.spec.precision]
        return chosen


def reads_ids(encoder: Encoder) -> bool:
    """Does the encoder look items up by their ids, which it then gets in the place of texts?"""
    return bool(getattr(encoder, "uses_ids", False))


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

    def served(self, cells: Sequence[Cell]) -> list[Cell]:
        """The cells without baselines that need times of queries where the dataset has no times.

        Raises DatasetError for a cell that needs them and is no baseline, and what `of` raises.
        """
        return [cell for cell in cells if self._serves(cell)]

    def _serves(self, cell: Cell) -> bool:
        if self.of(cell).dataset.times is not None or not cell.generator.uses_query_time:
            return True
        if is_baseline(cell.spec.tokenizer.name, cell.spec.generator.name):
            return False
        raise DatasetError(
            f"{cell.spec.dataset.name}: generator {cell.spec.generator.name!r} needs the time of "
            "each interaction, and this dataset has none",
            remedy="add times to the dataset, or leave this generator out",
        )

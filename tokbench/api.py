"""What plugin authors write against: hook marker, Config, Runtime, and the five base classes.

A component is a class with a `name`, a nested frozen `Config`, and one verb. It is built as
`Component(config)`; everything that steers its numbers is in that config or in `seed`, everything
that does not (device, threads, progress) is in `runtime`.

    import tokbench
    from tokbench import SemanticIds, Tokenizer, hookimpl, option

    class MyTokenizer(Tokenizer):
        name = "my-tok"
        class Config(tokbench.Config):
            levels: int = option(3, ge=1, le=8, symbol="M", description="codes per item")
        def tokenize(self, catalog, *, seed, runtime): ...
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
import pluggy
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from tokbench.types import (
    Beams,
    Catalog,
    Codes,
    Dataset,
    Floats,
    Histories,
    Placement,
    SemanticIds,
    Sequences,
)

PROJECT = "tokbench"  # the pluggy project name and the entry-point group
hookimpl = pluggy.HookimplMarker(PROJECT)
hookspec = pluggy.HookspecMarker(PROJECT)


class Config(BaseModel):
    """Base of every component's options: closed (no unknown names), typed, frozen."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )


def option(
    default: Any,
    *,
    description: str,
    symbol: str = "",
    paper: Any = None,
    location: bool = False,
    added: bool = False,
    **bounds: Any,
) -> Any:
    """A described Config field.

    `symbol` is the paper's letter; `paper` the paper's value where our default departs from it
    (`tokbench show` lists it as a deviation); `location` marks a path, which says where and not
    what: the digests of the component's `inputs()` stand for it in a run's identity; `added` marks
    an option that came after rows were published and whose default is what they did: at its default
    it is no part of a run's identity, so those rows stay what they are; `bounds` are pydantic's
    (ge, gt, le, lt, ...).
    """
    extra = {"symbol": symbol, "paper": paper, "location": location, "added": added}
    return Field(default, description=description, json_schema_extra=extra, **bounds)


class Progress(Protocol):
    """Shows how far a long stage is. Components call it; only the command line draws it."""

    def track(
        self, description: str, *, total: int
    ) -> AbstractContextManager[Advance]:  # pragma: no cover - protocol
        """A bar of `total` units; entering gives the function that advances it."""
        ...


class Advance(Protocol):
    """Moves a bar forward; `note` is a short remark such as 'loss 1.32'."""

    def __call__(self, units: int = 1, note: str = "") -> None:  # pragma: no cover - protocol
        """Advance by `units`."""
        ...


class Quiet:
    """A Progress that shows nothing: for tests and for use as a library."""

    def track(self, description: str, *, total: int) -> AbstractContextManager[Advance]:
        """A bar that nobody sees."""

        def advance(units: int = 1, note: str = "") -> None:
            pass

        return nullcontext(advance)


Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Runtime:
    """Where and how to compute: but for the precision never part of a result's identity.

    `device` is a torch device name; `cache` a folder for downloads; `log` collects the rows of
    training curves (`runtime.log(epoch=3, loss=1.2)`), which end up in the record. `precision` is
    that of a network's products on a GPU: in training as it says, in search with bfloat16 TF32. It
    changes numbers a little, so it is part of a run's identity, not chosen here.
    """

    device: str = "cpu"
    cache: Path | None = None
    progress: Progress = field(default_factory=Quiet)
    rows: list[dict[str, float]] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)
    precision: Precision = "float32"

    def log(self, **values: float) -> None:
        """Add one row to the curve of the component at work."""
        self.rows.append({name: float(value) for name, value in values.items()})

    def keep(self, *, parameters: int, decode: Callable[[Codes], Floats]) -> None:
        """What a tokenizer that learns may tell the record, at the end of `tokenize`: how many
        numbers it learnt, and its decoder, from codes [G, M] to reconstructions [G, D] in the
        space of the embeddings. The decoder is measured once and not stored."""
        self.kept.update(parameters=parameters, decode=decode)


class Component(ABC):
    """What all five kinds share.

    `name`: what users type. `version`: raise it when the numbers change (built-ins; for plugins
    the digest of their package's sources is used, with the versions of the built-ins that they
    derive from). `presets`: named sets of options, typed by users as
    `NAME:PRESET`; one called like a profile (`quick`) is what that profile uses. `citation`: one
    line. `deviations`: where the default departs from the source, in words. `space`: what
    `tokbench tune --space NAME` searches, option -> `LOW..HIGH`, `LOW..HIGH:log` or `A,B,C`.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    citation: ClassVar[str] = ""
    deviations: ClassVar[Sequence[str]] = ()
    space: ClassVar[Mapping[str, str]] = {}

    class Config(Config):
        """No options."""

    def __init__(self, config: Any = None) -> None:
        self.config: Any = self.Config() if config is None else config

    @property
    def label(self) -> str:
        """What the board calls this component, before presets and changed options."""
        return self.name

    @classmethod
    def of(cls, **options: Any) -> Self:
        """The component with some options changed from their defaults."""
        return cls(cls.Config(**options))


class DatasetSource(Component):
    """A source of item texts and time-ordered interactions. Its `label` names it everywhere."""

    @abstractmethod
    def load(self, *, runtime: Runtime) -> Dataset:
        """Read everything. Raises DatasetError naming file, line and remedy."""

    def inputs(self) -> Iterable[Path]:
        """The raw files `load` reads; their content digests are part of the stage key."""
        return ()


class Encoder(Component):
    """Text to vectors."""

    @abstractmethod
    def encode(self, texts: Sequence[str], *, runtime: Runtime) -> Floats:
        """Embeddings, float32 [N, D], finite, row n for texts[n]."""

    def inputs(self) -> Iterable[Path]:
        """Local model files `encode` reads; their content digests are part of the stage key."""
        return ()


class Tokenizer(Component):
    """Catalogue to semantic IDs (Sec. 3.1: semantic tokenization)."""

    uses_interactions: ClassVar[bool] = False  # True: Catalog.interactions holds training rows
    deterministic: ClassVar[bool] = False  # True: the seed changes nothing

    def inputs(self) -> Iterable[Path]:
        """Files `tokenize` reads; their content digests are part of the stage key."""
        return ()

    @abstractmethod
    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        """A code tuple per item. The same catalogue and seed give the same codes."""


class GeneratorModel(ABC):
    """What `Generator.train` returns: weights that can be stored, and that write code tuples."""

    @abstractmethod
    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        """The `width` best code tuples for each history, best first, distinct, all of them codes
        of some item."""

    @abstractmethod
    def state(self) -> dict[str, NDArray[Any]]:
        """Everything `Generator.restore` needs, as named arrays (stored in safetensors)."""


@runtime_checkable
class Likelihood(Protocol):
    """What the model of a generator that `is_distribution` offers besides."""

    def log_likelihood(
        self, histories: Sequences, codes: Codes, *, runtime: Runtime
    ) -> NDArray[np.float64]:
        """log p(codes[q] | histories[q]), natural, [Q], for codes [Q, M]. Over all that the model
        could write, not renormalised to the tuples that exist; -inf only for what it never can."""
        ...


class Generator(Component):
    """Histories of code tuples to the code tuple of the next item (Sec. 3.2).

    `exact_at_full_width`: at a width of all distinct tuples, `generate` scores every one of them.
    A run then compares the beam with that exhaustive search, on a sample of small catalogues.
    `is_distribution`: the model is a `Likelihood` too, and gives every item a positive
    probability. A run then measures bits per item.
    """

    exact_at_full_width: ClassVar[bool] = False
    is_distribution: ClassVar[bool] = False
    uses_times: ClassVar[bool] = False  # True: Sequences.times holds times, where there are any
    uses_query_time: ClassVar[bool] = False  # True: and Sequences.asked the target's. A diagnostic

    @abstractmethod
    def train(
        self,
        catalog: Catalog,
        histories: Histories,
        ids: SemanticIds,
        *,
        seed: int,
        runtime: Runtime,
    ) -> GeneratorModel:
        """Learn from `histories.train`, select on `histories.validation`."""

    @abstractmethod
    def restore(self, state: Mapping[str, NDArray[Any]], ids: SemanticIds) -> GeneratorModel:
        """The model whose `state()` this was, for the same `ids`."""


Score = float | NDArray[np.float64]


class Metric(Component):
    """A figure or a family of figures computed from where the targets landed."""

    higher_is_better: ClassVar[bool] = True

    @abstractmethod
    def score(self, placement: Placement, ids: SemanticIds, embeddings: Floats) -> dict[str, Score]:
        """Named figures: an array [Q] of one value per query (averaged, with an interval over
        users) or a single float (a property of the codes)."""


def batches(total: int, size: int) -> Iterator[slice]:
    """Consecutive slices of at most `size` that cover range(total)."""
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))

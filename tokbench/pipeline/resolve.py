"""What a user asked for, checked and made complete: a request becomes the cells of a grid.

Everything wrong with a request (unknown names, options, presets, values out of bounds) is raised
here, before anything runs.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_origin

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from tokbench.api import Component, DatasetSource, Encoder, Generator, Tokenizer
from tokbench.datasets.folder import find_folder
from tokbench.datasets.near_names import near_names
from tokbench.datasets.prepared import data_roots
from tokbench.errors import ConfigError, UnknownComponentError, listed
from tokbench.pipeline.cell import Cell
from tokbench.pipeline.devices import find_precision
from tokbench.pipeline.overrides import Overrides
from tokbench.pipeline.tuning.file import TunedFile
from tokbench.registry.isolated.isolated import settle_anywhere
from tokbench.registry.registry import KINDS, Registry
from tokbench.schema.run_spec import (
    BASELINE_TOKENIZER,
    BASELINES,
    TRAINED_BASELINES,
    ComponentSpec,
    Frozen,
    RunSpec,
)
from tokbench.scoring.collisions import POLICIES
from tokbench.scoring.metrics import CUTOFFS

# What a profile judges tokenizers by, unless told otherwise: the paper's generator; for a machine
# without a GPU one that learns in minutes what tiger learns in hours (docs/generators.md).
GENERATOR = {"paper": "tiger", "quick": "rq-transformer", "toy": "tiger"}


Protocol = Literal[
    "leave-one-out", "temporal", "temporal-warm", "temporal-all", "temporal-all-warm"
]


class Request(Frozen):
    """What a user asks for: the axes of a grid and the overrides."""

    datasets: tuple[str, ...]
    tokenizers: tuple[str, ...]
    generators: tuple[str, ...] = ()  # none: the profile's
    encoder: str = "sentence-transformers"
    seeds: tuple[int, ...] = (0,)  # each for tokenizer and generator alike
    tokenizer_seeds: tuple[int, ...] = ()  # given either of these, the two axes are crossed,
    generator_seeds: tuple[int, ...] = ()  # `seeds` standing in for the one left out
    profile: Literal["paper", "quick", "toy"] = "paper"
    protocol: Protocol = "leave-one-out"
    collision_policies: tuple[str, ...] = ("nearest-free",)
    beam_width: int = Field(100, ge=1, le=1000)  # benchmarks/speed/results.md, beam_width
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: the device's
    baselines: bool = True
    overrides: tuple[str, ...] = ()  # "tokenizer.temperature=0.5"
    tuned: tuple[str, ...] = ()  # files of `tokbench tune`, whose best settings are overrides too

    @field_validator("*", mode="before")
    @classmethod
    def one_is_a_sequence_of_one(cls, given: object, info: ValidationInfo) -> object:
        """`tokenizers="cost"` and `seeds=1` mean a sequence of one."""
        several = info.field_name and get_origin(cls.model_fields[info.field_name].annotation)
        return (given,) if several is tuple and isinstance(given, str | int) else given

    @field_validator("beam_width")
    @classmethod
    def beams_reach_the_largest_cutoff(cls, width: int) -> int:
        """Fewer beams would print their own number as every larger cutoff."""
        if width < max(CUTOFFS):
            raise ValueError(
                f"{width} beams cannot fill the {max(CUTOFFS)} places that Recall@{max(CUTOFFS)} "
                f"counts; ask for {max(CUTOFFS)} or more"
            )
        return width

    def seed_pairs(self) -> list[tuple[int, int]]:
        """(tokenizer seed, generator seed) of every repetition."""
        if not (self.tokenizer_seeds or self.generator_seeds):
            return [(seed, seed) for seed in self.seeds]
        return list(itertools.product(self.tokenizer_seeds or self.seeds, self.generator_axis()))

    def generator_axis(self) -> tuple[int, ...]:
        """Every generator seed."""
        return self.generator_seeds or self.seeds


def make_request(**fields: Any) -> Request:
    """A Request, with pydantic's findings as one ConfigError sentence."""
    try:
        return Request(**fields)
    except ValidationError as error:
        findings = [
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors()
        ]
        allowed = listed([*Request.model_fields])
        raise ConfigError(f"request: {'; '.join(findings)}; fields: {allowed}") from error


def resolve(request: Request, registry: Registry, device: str = "cpu") -> list[Cell]:
    """Every cell of the grid, checked and complete, baselines first; `device` says what the
    precision `auto` is.

    Raises ConfigError or UnknownComponentError before anything runs.
    """
    tuned = [TunedFile.read(Path(name)) for name in request.tuned]
    best = [text for one in tuned for text in one.content.overrides()]
    overrides = Overrides.parse([*best, *request.overrides])
    for policy in request.collision_policies:
        if policy not in POLICIES:
            raise ConfigError(
                f"unknown collision policy {policy!r}; allowed: {listed(list(POLICIES))}"
            )

    builder = Builder(registry, request.profile, overrides)
    datasets = [builder.dataset(name) for name in request.datasets]
    encoder = builder.build(Encoder, request.encoder)
    tokenizers = [builder.build(Tokenizer, text) for text in request.tokenizers]
    names = request.generators or (GENERATOR[request.profile],)
    generators = [builder.build(Generator, text) for text in names]
    overrides.check_all_used()

    rows: list[tuple[_Built[Tokenizer], str, _Built[Generator], tuple[int, int]]] = []
    if request.baselines:
        plain = Builder(registry, request.profile, Overrides({}))
        ids = plain.build(Tokenizer, BASELINE_TOKENIZER)
        for name in BASELINES:
            generator = plain.build(Generator, name)
            seeds = request.generator_axis() if name in TRAINED_BASELINES else (0,)
            rows += [(ids, "none", generator, (0, seed)) for seed in seeds]
    rows += itertools.product(
        tokenizers, request.collision_policies, generators, request.seed_pairs()
    )
    precise = request.model_copy(update={"precision": find_precision(request.precision, device)})
    cells = [
        _cell(precise, dataset, encoder, tokenizer, policy, generator, seeds, tuned)
        for dataset in datasets
        for tokenizer, policy, generator, seeds in rows
    ]
    return list({cell.spec.run_id: cell for cell in cells}.values())


C = TypeVar("C", bound=Component)


@dataclass(frozen=True)
class _Built(Generic[C]):
    spec: ComponentSpec
    component: C
    public: bool


def _cell(
    request: Request,
    dataset: _Built[DatasetSource],
    encoder: _Built[Encoder],
    tokenizer: _Built[Tokenizer],
    policy: str,
    generator: _Built[Generator],
    seeds: tuple[int, int],
    tuned: Sequence[TunedFile],
) -> Cell:
    spec = RunSpec(
        profile=request.profile,
        protocol=request.protocol,
        dataset=dataset.spec,
        encoder=encoder.spec,
        tokenizer=tokenizer.spec,
        collision_policy=policy,
        generator=generator.spec,
        beam_width=request.beam_width,
        tokenizer_seed=seeds[0],
        generator_seed=seeds[1],
        precision="bfloat16" if request.precision == "bfloat16" else "float32",
    )
    return Cell(
        spec=spec,
        dataset=dataset.component,
        encoder=encoder.component,
        tokenizer=tokenizer.component,
        generator=generator.component,
        public=dataset.public and encoder.public and tokenizer.public and generator.public,
        tuned=tuple(
            budget for one in tuned for part in (tokenizer, generator)
            if (budget := one.budget_of(part.component))
        ),
    )  # fmt: skip


def find_dataset(name: str, registry: Registry, overrides: Sequence[str] = ()) -> DatasetSource:
    """The dataset a request would mean by `name`, options given as `dataset.option=value`.

    Raises ConfigError or UnknownComponentError.
    """
    given = Overrides.parse(overrides)
    built = Builder(registry, "paper", given).dataset(name)
    given.check_all_used()
    return built.component


def find_component(
    kind: str,
    text: str,
    registry: Registry,
    *,
    profile: str = "paper",
    overrides: Sequence[str] = (),
) -> Component:
    """The component a request would mean by `NAME`, `NAME:PRESET` or `NAME:PATH`.

    Raises ConfigError or UnknownComponentError.
    """
    given = Overrides.parse(overrides)
    built = Builder(registry, profile, given).build(KINDS[kind], text)
    given.check_all_used()
    return built.component


@dataclass(frozen=True)
class Builder:
    """Makes the components that a request names, each with what stands for it in a spec."""

    registry: Registry
    profile: str
    overrides: Overrides

    def dataset(self, name: str) -> _Built[DatasetSource]:
        """A dataset by its registered name, by path, or by its folder's name in a data folder."""
        if name.partition(":")[0] in self.registry.names("dataset"):
            return self.build(DatasetSource, name)
        folder = find_folder(name, data_roots())
        if folder is not None:
            return self.build(DatasetSource, f"folder:{folder.resolve()}")
        raise UnknownComponentError(
            f"unknown dataset {name!r}: neither a folder nor a known name; "
            f"{near_names(name, self.registry.names('dataset'), data_roots())} Name a folder that "
            "holds items.jsonl and sequences.jsonl, or set TOKBENCH_DATA to the folder above it"
        )

    def build(self, base: type[C], text: str) -> _Built[C]:
        """The component that `NAME`, `NAME:PRESET` or `NAME:PATH` (where it has the option `path`)
        names, overrides applied."""
        kind = next(kind for kind, cls in KINDS.items() if cls is base)
        name, _, preset = text.partition(":")
        entry = self.registry.get(kind, name)
        given = self.overrides.options_for(kind, entry)
        settled = settle_anywhere(entry, self.profile, preset, given)
        component = settled.component
        assert isinstance(component, base)
        spec = ComponentSpec(
            name=settled.name,
            label=settled.label,
            config=settled.config,
            fingerprint=settled.fingerprint,
            inputs=settled.inputs,
        )
        return _Built(spec=spec, component=component, public=entry.origin != "file")

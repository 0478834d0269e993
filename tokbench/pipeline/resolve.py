"""What a user asked for, checked and made complete: a request becomes the cells of a grid.

Everything wrong with a request (unknown names, options, presets, values out of bounds) is raised
here, before anything runs.
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_origin

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from tokbench.api import Component, Config, DatasetSource, Encoder, Generator, Tokenizer
from tokbench.datasets.folder import find_folder
from tokbench.datasets.near_names import near_names
from tokbench.datasets.prepared import data_roots
from tokbench.errors import ConfigError, UnknownComponentError, listed
from tokbench.pipeline.cell import Cell
from tokbench.pipeline.overrides import Overrides
from tokbench.pipeline.tuning.file import TunedFile
from tokbench.registry.registry import KINDS, Entry, Registry
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


def resolve(request: Request, registry: Registry) -> list[Cell]:
    """Every cell of the grid, checked and complete, baselines first.

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

    builder = _Builder(registry, request.profile, overrides)
    datasets = [builder.dataset(name) for name in request.datasets]
    encoder = builder.build(Encoder, request.encoder)
    tokenizers = [builder.build(Tokenizer, text) for text in request.tokenizers]
    names = request.generators or (GENERATOR[request.profile],)
    generators = [builder.build(Generator, text) for text in names]
    overrides.check_all_used()

    rows: list[tuple[_Built[Tokenizer], str, _Built[Generator], tuple[int, int]]] = []
    if request.baselines:
        plain = _Builder(registry, request.profile, Overrides({}))
        ids = plain.build(Tokenizer, BASELINE_TOKENIZER)
        for name in BASELINES:
            generator = plain.build(Generator, name)
            seeds = request.generator_axis() if name in TRAINED_BASELINES else (0,)
            rows += [(ids, "none", generator, (0, seed)) for seed in seeds]
    rows += itertools.product(
        tokenizers, request.collision_policies, generators, request.seed_pairs()
    )
    cells = [
        _cell(request, dataset, encoder, tokenizer, policy, generator, seeds, tuned)
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
    built = _Builder(registry, "paper", given).dataset(name)
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
    built = _Builder(registry, profile, given).build(KINDS[kind], text)
    given.check_all_used()
    return built.component


@dataclass(frozen=True)
class _Builder:
    """Makes the components that a request names."""

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
        options = _options(kind, entry, self.profile, preset)
        options |= self.overrides.options_for(kind, entry)
        component = entry.cls(checked_config(kind, entry, options))
        assert isinstance(component, base)
        unsaid = locations(entry.cls) | added_at_default(component)
        config = component.config.model_dump(mode="json", exclude=unsaid)
        spec = ComponentSpec(
            name=component.label if isinstance(component, DatasetSource) else name,
            label=label_of(component, entry, self.profile),
            config=config,
            fingerprint=entry.fingerprint,
            inputs=_input_digests(component),
        )
        return _Built(spec=spec, component=component, public=entry.origin != "file")


def _options(kind: str, entry: Entry, profile: str, preset: str) -> dict[str, object]:
    """The options of a profile, and of a preset or a path on top."""
    presets = entry.cls.presets
    options = dict(presets.get(profile, {}))
    if preset in presets:
        return options | dict(presets[preset])
    if preset and "path" in entry.cls.Config.model_fields:
        return options | {"path": preset}
    if preset:
        near = difflib.get_close_matches(preset, presets)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(
            f"{kind} {entry.name!r} has no preset {preset!r}{hint}; its presets: "
            f"{listed([*presets])}"
        )
    return options


def locations(cls: type[Component]) -> set[str]:
    """Names of the options that say where, not what."""
    return {
        name
        for name, info in cls.Config.model_fields.items()
        if isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("location")
    }


def added_at_default(component: Component) -> set[str]:
    """Names of the options that were added since and change nothing where they stand."""
    config = component.config
    return {
        name
        for name, info in type(config).model_fields.items()
        if isinstance(info.json_schema_extra, dict)
        and info.json_schema_extra.get("added")
        and getattr(config, name) == info.default
    }


def _input_digests(component: Component) -> dict[str, str]:
    inputs: Sequence[Path] = list(getattr(component, "inputs", tuple)())
    digests = {}
    for path in inputs:
        if path.is_file():  # an absent file is reported by the component, with its remedy
            with path.open("rb") as stream:
                digests[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return digests


def label_of(component: Component, entry: Entry, profile: str) -> str:
    """`cost`, `cost:with-reconstruction`, or `cost [temperature=0.5]`: derived from the options
    alone, so one configuration has one label however it was typed."""
    cls, hidden = entry.cls, locations(entry.cls)
    base = component.label
    actual = component.config.model_dump(mode="json", exclude=hidden)
    standard = dict(cls.presets.get(profile, {}))
    best: tuple[int, str] | None = None
    for preset, options in {"": {}, **cls.presets}.items():
        if preset == profile:
            continue
        expected = dict(standard | dict(options))
        expected |= {name: getattr(component.config, name) for name in hidden}
        dump = cls.Config(**expected).model_dump(mode="json", exclude=hidden)
        changed = {k: v for k, v in actual.items() if dump[k] != v}
        text = f"{base}:{preset}" if preset else base
        text += f" [{', '.join(f'{k}={v}' for k, v in changed.items())}]" if changed else ""
        if best is None or len(changed) < best[0]:
            best = (len(changed), text)
    assert best is not None
    return best[1]


def checked_config(kind: str, entry: Entry, options: Mapping[str, object]) -> Config:
    """The component's Config; pydantic's findings become one ConfigError sentence."""
    fields = entry.cls.Config.model_fields
    try:
        return entry.cls.Config(**options)
    except ValidationError as error:
        findings = []
        for item in error.errors():
            name = ".".join(str(part) for part in item["loc"])
            if item["type"] == "extra_forbidden":
                near = difflib.get_close_matches(name, fields, n=1)
                hint = f"did you mean {near[0]}?" if near else f"allowed: {listed([*fields])}"
                findings.append(f"no option {name!r}; {hint}")
            else:
                findings.append(f"{name}: {item['msg']} (got {item['input']!r})")
        raise ConfigError(
            f"{kind} {entry.name!r}: {'; '.join(findings)}; see `tokbench show {entry.name}`"
        ) from error

"""Components whose code runs in another process, and the registry that holds them.

A stand-in looks like the plugin's class (name, presets, options, flags) and passes its verb on. So
no other part of tokbench knows of this: stages check what comes back as they check everyone's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError, create_model

from tokbench.api import (
    Component,
    Config,
    DatasetSource,
    Encoder,
    Generator,
    GeneratorModel,
    Metric,
    Runtime,
    Score,
    Tokenizer,
)
from tokbench.errors import ContractError, DatasetError, PluginError, one_line
from tokbench.registry.isolated.answers import Answer
from tokbench.registry.isolated.client import ask
from tokbench.registry.isolated.told import SettledTold, Told
from tokbench.registry.isolated.work import Job, Source
from tokbench.registry.settings import FLAGS
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

_ROWS = TypeAdapter(list[dict[str, float]])


class StandIn(Component):
    """What all stand-ins share."""

    source: ClassVar[Source]
    told: ClassVar[Told]

    def __init__(self, config: Any = None) -> None:
        self.say(SettledTold(own_label=self.name))

    def say(self, settled: SettledTold) -> None:
        """Be the component with these options."""
        self._settled = settled
        self.config = self.Config.model_construct(**settled.options)
        for flag in FLAGS:
            if flag in settled.flags:
                setattr(self, flag, settled.flags[flag])

    @property
    def label(self) -> str:
        """What the component itself says."""
        return self._settled.own_label

    def __reduce__(self) -> Any:
        told = self.told.model_dump(mode="json", by_alias=True)
        return _again, (self.source, told, self._settled.model_dump(mode="json"))

    def _ask(self, verb: str, runtime: Runtime | None, *arguments: object) -> Answer:
        run = runtime or Runtime()
        answer = ask(Job(
            self.source, verb, self.told.kind, self.name, self._settled.fingerprint,
            self._settled.options, arguments, run.device, run.cache, run.precision,
        ))  # fmt: skip
        try:
            rows = _ROWS.validate_python(answer.told.get("rows", []))
        except ValidationError as error:
            raise PluginError(f"{self._who}: rows of its log are no numbers") from error
        run.rows.extend(rows)
        return answer

    @property
    def _who(self) -> str:
        return f"{self.told.kind} {self.name!r}"

    def _array(self, answer: Answer, name: str, expected: str) -> NDArray[Any]:
        if name not in answer.arrays:
            raise ContractError(self._who, expected=expected, found=_found(answer))
        return answer.arrays[name]


class _StandInDataset(StandIn, DatasetSource):
    def load(self, *, runtime: Runtime) -> Dataset:
        answer = self._ask("load", runtime)
        told = answer.told["told"]
        self._array(answer, "items", "a Dataset")
        try:
            texts = {
                name: None if told[name] is None else _texts(told[name])
                for name in ("item_ids", "texts", "titles", "user_ids", "categories")
            }
            rows = Sequences(answer.arrays["offsets"], answer.arrays["items"])
            found = Dataset(name=str(told["name"]), interactions=rows,
                            times=answer.arrays.get("times"), **texts)  # type: ignore[arg-type]  # fmt: skip
            inside = (rows.items >= 0) & (rows.items < len(found.item_ids))
            if not (inside.all() and (rows.lengths >= 0).all()):
                raise ValueError("interactions with items that are not there")
            return found
        except (KeyError, TypeError, ValueError, AssertionError) as error:
            raise DatasetError(f"{self._who}: what it loaded is no dataset: {error}") from error


class _StandInEncoder(StandIn, Encoder):
    def encode(self, texts: Sequence[str], *, runtime: Runtime) -> Floats:
        answer = self._ask("encode", runtime, tuple(texts))
        return self._array(answer, "value", f"an array [{len(texts)}, D]")


class _StandInTokenizer(StandIn, Tokenizer):
    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        answer = self._ask("tokenize", runtime, catalog, seed)
        codes = self._array(answer, "codes", "SemanticIds")
        decoded = answer.arrays.get("kept/decoded")
        if decoded is not None:
            # The process decoded the distinct tuples: what measure_own_decoder asks for.
            runtime.kept.update(
                parameters=int(answer.told["parameters"]), decode=lambda tuples: decoded
            )
        return _of_codes(self._who, codes, answer)


class _StandInGenerator(StandIn, Generator):
    def train(
        self,
        catalog: Catalog,
        histories: Histories,
        ids: SemanticIds,
        *,
        seed: int,
        runtime: Runtime,
    ) -> GeneratorModel:
        answer = self._ask("train", runtime, catalog, histories, ids, seed)
        told = answer.told["told"]
        if not isinstance(told, dict) or "single" not in told:
            raise ContractError(
                self._who, expected="a GeneratorModel from train", found=_found(answer)
            )
        if told["single"]:
            names = ", ".join(map(str, told["single"]))
            raise ContractError(
                self._who, expected="arrays in state()", found=f"no array: {one_line(names)}"
            )
        return _Model(self, answer.arrays, ids)

    def restore(self, state: Mapping[str, NDArray[Any]], ids: SemanticIds) -> GeneratorModel:
        return _Model(self, {**state}, ids)


class _Model(GeneratorModel):
    """A model in another process: what it is made of, and whom to ask."""

    def __init__(
        self, generator: _StandInGenerator, state: dict[str, NDArray[Any]], ids: SemanticIds
    ) -> None:
        self._generator, self._state, self._ids = generator, state, ids

    def state(self) -> dict[str, NDArray[Any]]:
        return self._state

    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        answer = self._generator._ask("generate", runtime, self._state, self._ids, histories, width)
        codes = self._generator._array(answer, "codes", "Beams")
        try:
            return Beams(codes, self._generator._array(answer, "scores", "Beams"))
        except (AssertionError, ValueError) as error:
            raise PluginError(f"{self._generator._who}: no Beams: {error}") from error

    def log_likelihood(
        self, histories: Sequences, codes: Codes, *, runtime: Runtime
    ) -> NDArray[np.float64]:
        answer = self._generator._ask(
            "log_likelihood", runtime, self._state, self._ids, histories, codes
        )
        return self._generator._array(answer, "value", "a model with log_likelihood")


class _StandInMetric(StandIn, Metric):
    def score(self, placement: Placement, ids: SemanticIds, embeddings: Floats) -> dict[str, Score]:
        answer = self._ask("score", None, placement, ids, embeddings)
        told = answer.told["told"]
        if not isinstance(told, dict) or "single" not in told:
            raise ContractError(self._who, expected="figures by name", found=_found(answer))
        single: dict[str, Score] = {str(k): float(v) for k, v in told["single"].items()}
        return single | answer.arrays


_STAND_INS: dict[str, type[StandIn]] = {
    "dataset": _StandInDataset,
    "encoder": _StandInEncoder,
    "tokenizer": _StandInTokenizer,
    "generator": _StandInGenerator,
    "metric": _StandInMetric,
}


def class_of(told: Told, source: Source) -> type[StandIn]:
    """The stand-in for a component that was offered."""
    fields: dict[str, Any] = {
        name: (
            Any,
            Field(
                ... if option.required else option.default,
                description=option.description,
                json_schema_extra=option.extra,
            ),
        )
        for name, option in told.options.items()
    }
    config = create_model("Config", __base__=Config, **fields)
    schema = {"properties": {name: option.schema_ for name, option in told.options.items()}}
    setattr(config, "model_json_schema", classmethod(lambda cls, **given: schema))  # noqa: B010
    base: Any = _STAND_INS[told.kind]
    flags = {name: value for name, value in told.flags.items() if name in FLAGS}
    made: type[StandIn] = type(base)(
        told.name,
        (base,),
        {
            "__doc__": told.doc,
            "name": told.name,
            "version": told.version,
            "presets": told.presets,
            "citation": told.citation,
            "deviations": told.deviations,
            "Config": config,
            "source": source,
            "told": told,
            **flags,
        },
    )
    return made


def _again(source: Source, told: dict[str, Any], settled: dict[str, Any]) -> StandIn:
    """A stand-in that was sent to a worker process of ours."""
    component = class_of(Told.model_validate(told), source)()
    component.say(SettledTold.model_validate(settled))
    return component


def _of_codes(who: str, codes: NDArray[Any], answer: Answer) -> SemanticIds:
    try:
        return SemanticIds(codes, tuple(answer.told["told"]["level_sizes"]))
    except (AssertionError, ValueError, TypeError, KeyError) as error:
        raise PluginError(f"{who}: no SemanticIds: {error}") from error


def _texts(found: Any) -> tuple[str, ...]:
    if not (isinstance(found, list) and all(isinstance(text, str) for text in found)):
        raise TypeError("a column of texts with something else in it")
    return tuple(found)


def _found(answer: Answer) -> str:
    told = answer.told["told"]
    found = told.get("found", "something else") if isinstance(told, dict) else told
    return one_line(str(found))

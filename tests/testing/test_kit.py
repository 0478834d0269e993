"""The kit passes what conforms, and finds each way of misbehaving by the rule it breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.components import Echo, EchoModel, Hashed, Letters, Tiny
from tokbench.api import Config, DatasetSource, GeneratorModel, Metric, Runtime, Score, option
from tokbench.errors import ConfigError
from tokbench.registry.registry import KINDS, build_registry
from tokbench.testing import assert_conforms, check, examine, rules_of
from tokbench.testing.generators import IDS
from tokbench.testing.kit import name_of, sentence_of
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

QUICK: dict[str, Any] = {
    "codebook_size": 8, "latent_dim": 4, "hidden": (8,), "batch_size": 128, "epochs": 3,
    "minimum_steps": 0, "minimum_distinct": 0.0,
}  # fmt: skip
BUILT_INS: list[tuple[str, str, dict[str, Any]]] = [
    ("tokenizer", "random", {}),
    ("tokenizer", "random", {"unique": True}),
    ("tokenizer", "item-id", {}),
    ("tokenizer", "hierarchical-kmeans", {"codebook_size": 16, "levels": 2}),
    ("tokenizer", "rqvae", QUICK),
    ("tokenizer", "cost", QUICK),
    ("generator", "popularity", {}),
    ("generator", "bigram", {}),
    ("generator", "item-item", {}),
    ("generator", "content-neighbours", {}),
    ("generator", "recent-popularity", {}),
    ("generator", "sasrec", {"width": 8, "epochs": 1, "minimum_steps": 0}),
    ("generator", "rq-transformer", {"width": 8, "epochs": 1, "minimum_steps": 0}),
    ("generator", "parallel", {"width": 8, "epochs": 1, "minimum_steps": 0}),
    ("encoder", "tfidf", {"dimensions": 16}),
    ("dataset", "toy", {"items": 60, "users": 40}),
    ("metric", "recall", {}),
    ("metric", "ndcg", {}),
    ("metric", "collisions", {}),
]


@pytest.mark.parametrize(("kind", "name", "options"), BUILT_INS)
def test_built_ins_conform(kind: str, name: str, options: dict[str, Any]) -> None:
    entry = build_registry(entry_points=False).get(kind, name)
    assert [str(finding) for finding in check(entry, options)] == []


def test_no_built_in_tokenizer_is_forgotten() -> None:
    """Those of nn/ included; a table needs a file, and is examined with one in its own tests."""
    names = set(build_registry(entry_points=False).names("tokenizer"))
    assert names - {"table"} <= {name for _, name, _ in BUILT_INS}


def test_every_rule_says_what_it_asks() -> None:
    for kind in KINDS:
        names = [name_of(rule) for rule in rules_of(kind)]
        assert len(set(names)) == len(names) >= 8
        assert all(len(sentence_of(rule).split()) >= 4 for rule in rules_of(kind))


class Returns(Hashed):
    """A tokenizer whose answer a subclass spoils."""

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> Any:
        return self.spoil(np.random.default_rng(seed).integers(0, 4, (len(catalog), 2)), catalog)

    def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
        return SemanticIds(codes, (4, 4))


class Raises(Returns):
    def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
        raise ZeroDivisionError("a stranger's mistake")


class Exits(Returns):
    def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
        raise SystemExit(3)


class Bare(Returns):
    def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
        return codes


class Short(Returns):
    def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
        return SemanticIds(codes[1:], (4, 4))


class TooLarge(Returns):
    def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
        return SemanticIds(codes + 1, (4, 4))


class Fractions(Returns):
    def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
        halves: Any = codes + 0.5
        return SemanticIds(halves, (5, 5))


class Forgetful(Returns):
    def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
        other: Any = np.random.default_rng().integers(0, 4, codes.shape)
        return SemanticIds(other, (4, 4))


class SeedBlind(Returns):
    """Never looks at the seed."""

    def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
        return SemanticIds(codes * 0, (4, 4))


class NotDeterministic(Returns):
    deterministic = True


class Scribbles(Returns):
    def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
        catalog.embeddings.flags.writeable = True
        catalog.embeddings[0, 0] += 1
        return SemanticIds(codes, (4, 4))


class Writes(Returns):
    def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
        catalog.embeddings[0, 0] = 0
        return SemanticIds(codes, (4, 4))


class NoTiny(Returns):
    def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
        if len(catalog) < 5:
            raise ValueError("too few")
        return SemanticIds(codes, (4, 4))


class Curt(Returns):
    def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
        if len(catalog) < 5:
            raise ConfigError("too few")
        return SemanticIds(codes, (4, 4))


class NoDuplicates(Returns):
    def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
        assert len(np.unique(catalog.embeddings, axis=0)) in (1, len(catalog)), "duplicates"
        return SemanticIds(codes, (4, 4))


class NoConstant(Returns):
    def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
        spread = np.ptp(catalog.embeddings, axis=0).max()
        assert len(catalog) == 1 or spread > 0, "no spread"
        return SemanticIds(codes, (4, 4))


class NoLarge(Returns):
    def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
        if len(catalog) > 1000:
            raise MemoryError("distances of all pairs")
        return SemanticIds(codes, (4, 4))


class FitsBadly(Returns):
    def fit(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> Any:
        return self

    def encode(self, embeddings: Floats) -> Any:
        return np.zeros((len(embeddings), 3), np.int32)


@pytest.mark.parametrize(
    ("cls", "rule", "found"),
    [
        (Raises, "shape and range", "ZeroDivisionError: a stranger's mistake, at test_kit.py"),
        (Exits, "shape and range", "SystemExit"),
        (Bare, "shape and range", r"an array [256, 2] of int64"),
        (Short, "shape and range", "255"),
        (TooLarge, "shape and range", "codes from 1 to 4"),
        (Fractions, "shape and range", "float64"),
        (Forgetful, "same seed same codes", "items"),
        (SeedBlind, "other seed other codes", "the same"),
        (NotDeterministic, "other seed other codes", "different codes for"),
        (Scribbles, "inputs unmodified", "other values"),
        (Writes, "inputs unmodified", "read-only"),
        (NoTiny, "tiny catalogues", "ValueError: too few"),
        (Curt, "tiny catalogues", "'too few'"),
        (NoDuplicates, "duplicate embeddings", "AssertionError: duplicates"),
        (NoConstant, "constant embeddings", "AssertionError: no spread"),
        (NoLarge, "large catalogue", "MemoryError"),
        (FitsBadly, "unseen items", "an array [256, 3]"),
    ],
)
def test_a_misbehaving_tokenizer_breaks_its_rule(cls: Any, rule: str, found: str) -> None:
    findings = {finding.rule: finding for finding in check(cls)}
    assert rule in findings, list(findings)
    assert found in findings[rule].found
    assert findings[rule].remedy


def test_a_refused_value_is_found_at_the_line_that_made_it() -> None:
    """Not inside tokbench, where its author has never been."""

    class Narrow(Returns):
        def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
            return SemanticIds(codes[:, :1], (4, 4))

    finding = next(one for one in check(Narrow) if one.rule == "shape and range")
    assert "test_kit.py" in finding.found
    assert "return SemanticIds(codes[:, :1], (4, 4))" in finding.found


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_codes_that_are_nan_are_found() -> None:
    class Nan(Returns):
        def spoil(self, codes: NDArray[Any], catalog: Catalog) -> Any:
            return SemanticIds(np.full(codes.shape, np.nan), (4, 4))

    finding = next(one for one in check(Nan) if one.rule == "shape and range")
    assert "nan of float64 is no int32" in finding.found


def test_a_tokenizer_that_breaks_one_rule_breaks_no_other() -> None:
    assert [finding.rule for finding in check(SeedBlind)] == ["other seed other codes"]
    assert check(Returns) == []
    with pytest.raises(AssertionError, match="other seed other codes: expected other codes"):
        assert_conforms(SeedBlind)


def test_options_are_examined() -> None:
    class Open(Returns):
        class Config(Returns.Config):
            model_config = {"extra": "allow"}
            size: int = option(3, description="no bounds")

    rules = {finding.rule for finding in check(Open)}
    assert {"options described and bounded", "options closed and frozen"} <= rules

    class Silent(Returns):
        class Config(Config):
            size: int = 3

        presets = {"odd": {"nothing": 1}}

    found = {finding.rule: finding for finding in check(Silent)}
    assert "description of option 'size'" in found["options described and bounded"].expected
    assert "nothing" in found["presets are valid"].found


def test_what_is_no_component_is_refused() -> None:
    with pytest.raises(ConfigError, match="derive it from one of"):
        list(examine(int))  # type: ignore[arg-type]


def test_a_component_of_another_kind_is_examined_by_its_own_rules() -> None:
    assert check(Echo) == []
    assert check(Letters) == []
    assert check(Tiny) == []


class Proposes(Echo):
    """A generator whose model a subclass spoils."""

    model: Any = EchoModel

    def train(
        self,
        catalog: Catalog,
        histories: Histories,
        ids: SemanticIds,
        *,
        seed: int,
        runtime: Runtime,
    ) -> GeneratorModel:
        found: GeneratorModel = self.model(np.random.default_rng(seed).permutation(ids.groups()[0]))
        return found


class Invents(EchoModel):
    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        beams = super().generate(histories, width=width, runtime=runtime)
        return Beams(beams.codes[:, :1] * 0 + 7, beams.scores[:, :1])


class Chance(EchoModel):
    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        self.order = np.random.default_rng().permutation(self.order)
        return super().generate(histories, width=width, runtime=runtime)


class NeedsHistory(EchoModel):
    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        for q in range(len(histories)):
            histories[q][-1]
        return super().generate(histories, width=width, runtime=runtime)


@pytest.mark.parametrize(
    ("model", "rule"),
    [
        (Invents, "beams are valid"),
        (Chance, "same seed same beams"),
        (NeedsHistory, "empty history"),
        (lambda order: order, "beams are valid"),
    ],
)
def test_a_misbehaving_generator_breaks_its_rule(model: Any, rule: str) -> None:
    spoilt = type("Spoilt", (Proposes,), {"model": staticmethod(model), "__doc__": "Spoilt."})
    assert rule in [finding.rule for finding in check(spoilt)]


class EvenOdds(EchoModel):
    """Even odds among all tuples, which a subclass spoils."""

    total = -np.log(96)
    nothing = 0.0

    def log_likelihood(self, histories: Sequences, codes: Codes, *, runtime: Runtime) -> Any:
        found = np.full(len(codes), self.total)
        found[:1] -= self.nothing
        return found


class TooMuch(EvenOdds):
    total = np.log(1.5 / len(IDS.groups()[0]))


class Percent(EvenOdds):
    total = 1.0


class Excludes(EvenOdds):
    nothing = np.inf


@pytest.mark.parametrize(
    ("model", "more", "found"),
    [
        (EvenOdds, {"is_distribution": True}, ""),
        (EchoModel, {}, ""),
        (EvenOdds, {}, "False"),
        (EchoModel, {"is_distribution": True}, "EchoModel"),
        (TooMuch, {"is_distribution": True}, "1.5"),
        (Percent, {"is_distribution": True}, "to 1.0"),
        (Excludes, {"is_distribution": True}, "from -inf"),
        (EvenOdds, {"is_distribution": True, "exact_at_full_width": True}, "a difference of"),
    ],
)
def test_a_likelihood_must_be_one(model: Any, more: dict[str, Any], found: str) -> None:
    class Restores(Proposes):
        """Even odds."""

        def restore(self, state: Mapping[str, NDArray[Any]], ids: SemanticIds) -> GeneratorModel:
            restored: GeneratorModel = self.model(state["order"])
            return restored

    cls = type("Spoilt", (Restores,), {"model": staticmethod(model), "__doc__": "Spoilt.", **more})
    findings = check(cls)
    assert [one.rule for one in findings] == ["likelihood is a distribution"] * bool(found)
    assert all(found in one.found for one in findings)


def test_a_state_that_forgets_is_found() -> None:
    class Forgets(Echo):
        def restore(self, state: Mapping[str, NDArray[Any]], ids: SemanticIds) -> GeneratorModel:
            return EchoModel(ids.groups()[0])

    assert [one.rule for one in check(Forgets)] == [
        "described and named",
        "state restores the model",
    ]


def test_misbehaving_encoders_break_their_rules() -> None:
    class Doubles(Letters):
        """Returns float64."""

        def encode(self, texts: Sequence[str], *, runtime: Runtime) -> Any:
            return super().encode(texts, runtime=runtime).astype(np.float64)

    class Noisy(Letters):
        """Dropout left on."""

        def encode(self, texts: Sequence[str], *, runtime: Runtime) -> Floats:
            x = super().encode(texts, runtime=runtime)
            return x + np.random.default_rng().normal(size=x.shape).astype(np.float32)

    class Silent(Letters):
        """NaN where there is no text."""

        def encode(self, texts: Sequence[str], *, runtime: Runtime) -> Floats:
            x = super().encode(texts, runtime=runtime).copy()
            x[[not text for text in texts]] = np.nan
            return x

    assert [one.rule for one in check(Doubles)] == ["shape and type"]
    assert [one.rule for one in check(Noisy)] == ["same texts same vectors"]
    assert [one.rule for one in check(Silent)] == ["awkward texts"]


def test_misbehaving_datasets_break_their_rules() -> None:
    class Repeats(DatasetSource):
        """One item id twice, and one without a text."""

        name = "repeats"

        def load(self, *, runtime: Runtime) -> Dataset:
            names, texts = ("a", "a", "b"), ("x", "", "z")
            times = np.array([3, 2, 1])
            return Dataset("r", names, texts, texts, ("u",), Sequences.of([[0, 1, 2]]), times)

    assert [one.rule for one in check(Repeats)] == [
        "loads a dataset",
        "texts say something",
        "times never run backwards",
    ]


def test_misbehaving_metrics_break_their_rules() -> None:
    class Inverse(Metric):
        """Divides by what a miss has as -1 + 1."""

        name = "inverse"

        def score(
            self, placement: Placement, ids: SemanticIds, embeddings: Floats
        ) -> dict[str, Score]:
            rank = (placement.position + 1).astype(np.float64)
            return {"inverse": np.divide(1.0, rank, where=rank > 0, out=np.full(len(rank), np.nan))}

    class Whole(Metric):
        """Counts in whole numbers, of the wrong length."""

        name = "whole"

        def score(
            self, placement: Placement, ids: SemanticIds, embeddings: Floats
        ) -> dict[str, Score]:
            return {"whole": placement.position[:2].astype(np.float64)}

    assert [one.rule for one in check(Inverse)] == ["figures are finite"]
    assert [one.rule for one in check(Whole)] == ["figures are named numbers"]

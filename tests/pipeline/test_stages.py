"""The stages name whoever breaks the contract, with expected and found."""

from __future__ import annotations

from collections.abc import Sequence as Texts
from typing import Any

import numpy as np
import pytest

from tests.components import Echo, EchoModel, Hashed, Letters, Tiny
from tokbench.api import GeneratorModel, Runtime
from tokbench.errors import ContractError
from tokbench.pipeline import stages
from tokbench.types import Beams, Codes, SemanticIds, Sequences

RUNTIME = Runtime()
DATASET = Tiny().load(runtime=RUNTIME)
SPLIT = stages.split(DATASET, "leave-one-out")
X = stages.embed(DATASET.texts, Letters(), RUNTIME)
IDS = SemanticIds(np.arange(12, dtype=np.int32).reshape(12, 1), (12,))


class Returns(Letters):
    """An encoder that returns what it is told to."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value

    def encode(self, texts: Texts[str], *, runtime: Runtime) -> Any:
        return self.value


class Says(Hashed):
    """A tokenizer that returns what it is told to."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value

    def tokenize(self, catalog: Any, *, seed: int, runtime: Runtime) -> Any:
        return self.value


class Proposes(Echo):
    """A generator whose models return what it is told to."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value

    def restore(self, state: Any, ids: SemanticIds) -> GeneratorModel:
        return Answers(self.value)


class Answers(EchoModel):
    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Any:
        return self.order


def nan_in_row(row: int) -> Any:
    broken = np.ones((12, 3), np.float32)
    broken[row, 1] = np.nan
    return broken


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (nan_in_row(4), "NaN or infinity for 1 of 12 texts, the first is row 4 .text 'i4'."),
        (np.ones((11, 3), np.float32), r"expected an array \[12, D\], found an array \[11, 3\]"),
        ([[1.0]] * 12, "found list"),
    ],
)
def test_wrong_embeddings_are_named(value: Any, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        stages.embed(DATASET.texts, Returns(value), RUNTIME)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((12, 2)), "expected SemanticIds, found an array"),
        (SemanticIds(np.zeros((11, 2), np.int32), (4, 4)), "expected 12 rows of codes, found 11"),
        (SemanticIds(np.full((12, 2), 4, np.int32), (4, 5)), r"codes in \[0, 4\) at level 1"),
        (SemanticIds(np.full((12, 1), -1, np.int32), (4,)), "found codes from -1 to -1"),
    ],
)
def test_wrong_codes_are_named(value: Any, words: str) -> None:
    catalog = stages.catalog(DATASET, X, None)
    with pytest.raises(ContractError, match=words):
        stages.tokenize(catalog, Says(value), 0, RUNTIME)


def generated(value: Any) -> Beams:
    return stages.generate(Proposes(value), {}, IDS, SPLIT.test.histories, 3, RUNTIME)


def beams(codes: Any, scores: Any) -> Beams:
    shape = (8, len(codes), 1)
    rows = np.broadcast_to(np.asarray(codes)[:, None], shape)
    return Beams(rows, np.broadcast_to(np.asarray(scores, np.float32), shape[:2]))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("text", "expected Beams, found str"),
        (beams([0, 1, 2, 3], [0, -1, -2, -3]), r"expected codes \[8, up to 3, 1\]"),
        (beams([0, 0], [0, -1]), "expected distinct tuples in a row, found .0. again in row 0"),
        (beams([0, 1], [-1, 0]), r"scores that never rise along a row, found in row 0 .-1.0, 0.0"),
        (beams([0, 1], [0, np.nan]), "scores that never rise"),
        (beams([0], [np.nan]), "scores that never rise"),
    ],
)
def test_wrong_beams_are_named(value: Any, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        generated(value)


def test_padding_is_no_repeat() -> None:
    value = beams([3, -1, -1], [0, -np.inf, -np.inf])
    assert generated(value) is value


def test_a_generator_must_return_a_model() -> None:
    class Nothing(Echo):
        def train(self, *args: Any, **kwargs: Any) -> Any:
            return None

    catalog = stages.catalog(DATASET, X, None)
    with pytest.raises(ContractError, match="expected a GeneratorModel from train, found NoneType"):
        stages.train(catalog, SPLIT.histories, IDS, Nothing(), 0, RUNTIME)


def test_a_tokenizer_that_does_not_ask_sees_no_interactions() -> None:
    assert stages.catalog(DATASET, X, None).interactions is None
    seen = stages.catalog(DATASET, X, SPLIT.histories.train)
    assert seen.interactions is not None
    held_out = {(row, int(t)) for row, t in enumerate(SPLIT.test.targets)}
    held_out |= {(row, int(t)) for row, t in enumerate(SPLIT.histories.validation.targets)}
    shown = {(row, int(i)) for row in range(len(seen.interactions)) for i in seen.interactions[row]}
    assert not held_out & shown


def test_arrays_passed_on_cannot_be_written() -> None:
    catalog = stages.catalog(DATASET, X, None)
    with pytest.raises(ValueError, match="read-only"):
        catalog.embeddings[0, 0] = 1.0


class Knows(Proposes):
    """A distribution that says what it is told to."""

    is_distribution = True

    def restore(self, state: Any, ids: SemanticIds) -> GeneratorModel:
        return Tells(self.value)


class Tells(EchoModel):
    def log_likelihood(self, histories: Sequences, codes: Codes, *, runtime: Runtime) -> Any:
        return self.order


def test_a_tuples_probability_is_shared_among_its_items() -> None:
    codes = np.arange(12, dtype=np.int32)
    codes[[5, 6]] = codes[4]
    ids = SemanticIds(codes.reshape(12, 1), (12,))
    told = np.log(np.linspace(0.1, 0.8, 8))
    found = stages.likelihood(Knows(told), {}, ids, SPLIT.test, RUNTIME)["log_p"]
    sizes = np.where(SPLIT.test.targets <= 6, 3, 1)
    assert {1, 3} == set(sizes.tolist())
    np.testing.assert_allclose(np.exp(found), np.linspace(0.1, 0.8, 8) / sizes)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("text", r"expected an array \[8\], found str"),
        (np.zeros(7), r"found an array \[7\]"),
        (np.array([0, -1, -np.inf, 0, 0, -np.inf, 0, 0]), "-inf in row 2, and 2 such of 8"),
        (np.array([0, -1, 0, 0, np.nan, 0, 0, 0]), "nan in row 4"),
        (np.array([0, 0.5, 0, 0, 0, 0, 0, 0]), "a positive probability of each target, found a l"),
    ],
)
def test_wrong_likelihoods_are_named(value: Any, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        stages.likelihood(Knows(value), {}, IDS, SPLIT.test, RUNTIME)


def test_a_distribution_without_a_likelihood_is_named() -> None:
    with pytest.raises(ContractError, match="a model with log_likelihood, found Answers"):
        stages.likelihood(Proposes(None), {}, IDS, SPLIT.test, RUNTIME)

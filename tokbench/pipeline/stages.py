"""The stages between a dataset and its figures: pure functions, each checking what comes back.

    embed -> tokenize -> address -> train -> generate -> place -> score
                      '-> measure            '-> exhaust

They receive component instances and values; which component, where results are kept and how long
it takes is the business of `run`. A component that breaks its contract is named in a
ContractError: expected, found, remedy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tokbench.api import Encoder, Generator, GeneratorModel, Metric, Runtime, Tokenizer
from tokbench.errors import ContractError
from tokbench.scoring import collisions, decoding, intrinsic, splits
from tokbench.scoring.placement import name_groups, repeated
from tokbench.scoring.placement import place as place_beams
from tokbench.types import (
    Beams,
    Catalog,
    Dataset,
    Floats,
    Histories,
    Placement,
    Queries,
    SemanticIds,
    Sequences,
)

PROTOCOLS = {"leave-one-out": splits.leave_one_out, "temporal": splits.temporal}


def split(dataset: Dataset, protocol: str) -> splits.Split:
    """Training histories, validation and test queries by the named protocol."""
    return PROTOCOLS[protocol](dataset)


def embed(dataset: Dataset, encoder: Encoder, runtime: Runtime) -> Floats:
    """Embeddings of the item texts, float32 [N, D], finite."""
    found: Any = encoder.encode(dataset.texts, runtime=runtime)
    name, n = f"encoder {encoder.name!r}", len(dataset.texts)
    if not (isinstance(found, np.ndarray) and found.ndim == 2 and len(found) == n):
        raise ContractError(name, expected=f"an array [{n}, D]", found=described(found))
    broken = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if len(broken):
        raise ContractError(
            name,
            expected="finite embeddings",
            found=f"NaN or infinity for {len(broken)} of {n} items, the first {broken[0]} "
            f"(item {dataset.item_ids[broken[0]]!r})",
            remedy="look at that item's text with `tokbench plan`, or use another encoder",
        )
    return np.ascontiguousarray(found, dtype=np.float32)


def catalog(dataset: Dataset, embeddings: Floats, train: Sequences | None) -> Catalog:
    """What a tokenizer sees; `train` only if it asks for interactions."""
    return Catalog(dataset.item_ids, dataset.texts, embeddings, dataset.categories, train)


def tokenize(seen: Catalog, tokenizer: Tokenizer, seed: int, runtime: Runtime) -> SemanticIds:
    """Codes for every item, checked for shape, type and range."""
    ids: Any = tokenizer.tokenize(seen, seed=seed, runtime=runtime)
    check_ids(ids, len(seen), f"tokenizer {tokenizer.name!r}")
    assert isinstance(ids, SemanticIds)
    return ids


def check_ids(ids: Any, items: int, name: str) -> None:
    """Raise ContractError unless `ids` is a SemanticIds of `items` rows with codes in range."""
    if not isinstance(ids, SemanticIds):
        raise ContractError(name, expected="SemanticIds", found=described(ids))
    if len(ids) != items:
        raise ContractError(name, expected=f"{items} rows of codes", found=f"{len(ids)}")
    for level, size in enumerate(ids.level_sizes):
        column = ids.codes[:, level]
        if items and not (column.min() >= 0 and column.max() < size):
            raise ContractError(
                name,
                expected=f"codes in [0, {size}) at level {level + 1}",
                found=f"codes from {column.min()} to {column.max()}",
                remedy="level_sizes gives the number of codes of each level",
            )


def address(ids: SemanticIds, embeddings: Floats, policy: str) -> SemanticIds:
    """The ids under which items are generated, after the collision policy."""
    return collisions.address(ids, embeddings, policy)


def train(
    seen: Catalog,
    histories: Histories,
    ids: SemanticIds,
    generator: Generator,
    seed: int,
    runtime: Runtime,
) -> GeneratorModel:
    """A trained generator."""
    model: Any = generator.train(seen, histories, ids, seed=seed, runtime=runtime)
    if not isinstance(model, GeneratorModel):
        name = f"generator {generator.name!r}"
        raise ContractError(name, expected="a GeneratorModel from train", found=described(model))
    return model


def generate(
    model: GeneratorModel, histories: Sequences, ids: SemanticIds, width: int, runtime: Runtime
) -> Beams:
    """The best `width` code tuples for each history, checked: existing, distinct, in order."""
    beams: Any = model.generate(histories, width=width, runtime=runtime)
    name = f"model {type(model).__name__!r}"
    if not isinstance(beams, Beams):
        raise ContractError(name, expected="Beams", found=described(beams))
    shape = (len(histories), ids.levels)
    if (len(beams), beams.codes.shape[2]) != shape or beams.codes.shape[1] > width:
        raise ContractError(
            name,
            expected=f"codes [{shape[0]}, up to {width}, {shape[1]}]",
            found=f"codes {list(beams.codes.shape)}",
        )
    rising = beams.scores[:, 1:] > beams.scores[:, :-1]
    if np.isnan(beams.scores).any() or rising.any():
        raise ContractError(name, expected="scores that never rise along a row", found="others")
    _, groups = name_groups(ids, beams.codes)
    repeats = repeated(groups) & (beams.codes >= 0).all(axis=2)
    if repeats.any():
        row = int(np.flatnonzero(repeats.any(axis=1))[0])
        raise ContractError(
            name, expected="distinct tuples in a row", found=f"a repeat in row {row}"
        )
    return beams


def exhaust(
    model: GeneratorModel,
    queries: Queries,
    beams: Beams,
    ids: SemanticIds,
    runtime: Runtime,
) -> dict[str, Any]:
    """The beams of a sample of queries against a search of all tuples (scoring/decoding.py): arrays
    [S] by name, none where the catalogue is too large.

    Only for generators that say `exact_at_full_width`; one that then leaves tuples out is named in
    a ContractError.
    """
    tuples = len(ids.groups()[2])
    rows = decoding.sample(len(queries), tuples)
    if not len(rows):
        return {}
    histories = Sequences.of([queries.histories[int(row)] for row in rows])
    exact = generate(model, histories, ids, tuples, runtime)
    ranked = np.isfinite(exact.scores).sum(axis=1)
    if (ranked < tuples).any():
        raise ContractError(
            f"model {type(model).__name__!r}",
            expected=f"all {tuples} tuples at full width",
            found=f"{ranked.min()} of them for a query",
            remedy="leave exact_at_full_width False",
        )
    some = Beams(beams.codes[rows], beams.scores[rows])
    return decoding.against_exhaustive(some, exact, ids, queries.targets[rows])


def measure(
    ids: SemanticIds, embeddings: Floats, dataset: Dataset, train: Sequences
) -> dict[str, float]:
    """Intrinsic measures of a tokenizer's codes before the policy, by `intrinsic/NAME`."""
    found = intrinsic.measure(ids, embeddings, dataset.categories, train)
    return {f"intrinsic/{name}": value for name, value in found.items()}


def measure_own_decoder(
    ids: SemanticIds, embeddings: Floats, name: str, runtime: Runtime
) -> dict[str, float]:
    """What a tokenizer told by `runtime.keep`: `parameters`, and `intrinsic/NAME` figures of its
    own decoder; {} where it told nothing."""
    if not runtime.kept:
        return {}
    tuples, _, _ = ids.groups()
    x_hat: Any = runtime.kept["decode"](tuples)
    shape = (len(tuples), embeddings.shape[1])
    if not (isinstance(x_hat, np.ndarray) and x_hat.shape == shape and np.isfinite(x_hat).all()):
        raise ContractError(
            f"tokenizer {name!r}",
            expected=f"finite reconstructions {list(shape)} from the decoder it keeps",
            found=described(x_hat),
        )
    measured = intrinsic.measure_decoder("decoder", x_hat.astype(np.float32), ids, embeddings)
    figures = {f"intrinsic/{figure}": value for figure, value in measured.items()}
    return figures | {"parameters": float(runtime.kept["parameters"])}


def place(beams: Beams, ids: SemanticIds, targets: Any) -> Placement:
    """Where each target landed."""
    return place_beams(beams, ids, targets)


def score(
    placement: Placement, ids: SemanticIds, embeddings: Floats, metrics: Sequence[Metric]
) -> dict[str, Any]:
    """Every figure of every metric: arrays [Q] or floats, by name."""
    figures: dict[str, Any] = {}
    for metric in metrics:
        figures |= metric.score(placement, ids, embeddings)
    return figures


def described(value: Any) -> str:
    """A short description of an unexpected value for an error message."""
    if isinstance(value, np.ndarray):
        return f"an array {list(value.shape)} of {value.dtype}"
    return f"{type(value).__name__}"

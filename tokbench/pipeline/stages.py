"""The pipeline as a table: `STAGES`, at the end of this file, and the pure function of each stage.

    texts, encoder -> embed -> catalog -> tokenize -> address -> train -> generate
                                              '-> measure           |        '-> exhaust
                                                                    '-> likelihood

Stages receive component instances and values; where a value is kept, which process computes it and
how long it takes is the business of tokbench/pipeline/executor.py. What comes before (load, split)
and after (place, score: tokbench/pipeline/outcome.py) takes milliseconds and is not stored. A
component that breaks its contract is named in a ContractError: expected, found, remedy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tokbench.api import Encoder, Generator, Runtime, Tokenizer
from tokbench.errors import ContractError
from tokbench.pipeline import files
from tokbench.pipeline.contracts import (
    check_beams,
    check_embeddings,
    check_ids,
    check_likelihood,
    check_log_likelihood,
    check_model,
    described,
)
from tokbench.pipeline.files import Arrays
from tokbench.schema.run_spec import canonical_digest
from tokbench.scoring import collisions, decoding, intrinsic, splits
from tokbench.types import (
    Beams,
    Catalog,
    Dataset,
    Floats,
    Histories,
    Queries,
    SemanticIds,
    Sequences,
)

PROTOCOLS: dict[str, Callable[[Dataset], splits.Split]] = {
    "leave-one-out": splits.leave_one_out,
    "temporal": splits.temporal,
    "temporal-warm": partial(splits.temporal, warm=True),
    "temporal-all": partial(splits.temporal, targets="all"),
    "temporal-all-warm": partial(splits.temporal, targets="all", warm=True),
}


def split(dataset: Dataset, protocol: str) -> splits.Split:
    """Training histories, validation and test queries by the named protocol."""
    return PROTOCOLS[protocol](dataset)


def sources(dataset: Dataset, held_out: splits.Split) -> dict[str, object]:
    """What stages take of the data, by the names that the table uses."""
    return {
        "item_ids": dataset.item_ids,
        "texts": dataset.texts,
        "categories": dataset.categories,
        "histories": held_out.histories,
        "training_rows": held_out.histories.train,
        "test": held_out.test,
        "test_histories": held_out.test.histories,
    }


def catalog(dataset: Dataset, embeddings: Floats, train: Sequences | None) -> Catalog:
    """What a tokenizer sees of a whole dataset; `train` only if it asks for interactions."""
    return Catalog(dataset.item_ids, dataset.texts, embeddings, dataset.categories, train)


def embed(encoded: tuple[str, ...], encoder: Encoder, runtime: Runtime) -> Floats:
    """Embeddings of the items, float32 [N, D], finite, from their texts, or from their ids for an
    encoder that looks them up."""
    found = encoder.encode(encoded, runtime=runtime)
    return check_embeddings(found, encoded, f"encoder {encoder.name!r}")


def tokenize(seen: Catalog, tokenizer: Tokenizer, seed: int, runtime: Runtime) -> SemanticIds:
    """Codes for every item, checked for shape, type and range."""
    ids = tokenizer.tokenize(seen, seed=seed, runtime=runtime)
    return check_ids(ids, len(seen), f"tokenizer {tokenizer.name!r}")


def measure_own_decoder(
    ids: SemanticIds, seen: Catalog, tokenizer: Tokenizer, seed: int, runtime: Runtime
) -> dict[str, float]:
    """What a tokenizer told by `runtime.keep`: `parameters`, and `intrinsic/NAME` figures of its
    own decoder; {} where it told nothing."""
    if not runtime.kept:
        return {}
    tuples, _, _ = ids.groups()
    x_hat: Any = runtime.kept["decode"](tuples)
    shape = (len(tuples), seen.embeddings.shape[1])
    if not (isinstance(x_hat, np.ndarray) and x_hat.shape == shape and np.isfinite(x_hat).all()):
        raise ContractError(
            f"tokenizer {tokenizer.name!r}",
            expected=f"finite reconstructions {list(shape)} from the decoder it keeps",
            found=described(x_hat),
        )
    measured = intrinsic.measure_decoder("decoder", x_hat.astype(np.float32), ids, seen.embeddings)
    figures = {f"intrinsic/{figure}": value for figure, value in measured.items()}
    return figures | {"parameters": float(runtime.kept["parameters"])}


def address(ids: SemanticIds, embeddings: Floats, policy: str, runtime: Runtime) -> SemanticIds:
    """The ids under which items are generated, after the collision policy."""
    return collisions.address(ids, embeddings, policy)


def train(
    seen: Catalog,
    histories: Histories,
    ids: SemanticIds,
    generator: Generator,
    seed: int,
    runtime: Runtime,
) -> Arrays:
    """The state of a trained generator: everything that `restore` needs, as named arrays."""
    model = generator.train(seen, histories, ids, seed=seed, runtime=runtime)
    return check_model(model, f"generator {generator.name!r}").state()


def generate(
    generator: Generator,
    state: Arrays,
    ids: SemanticIds,
    histories: Sequences,
    width: int,
    runtime: Runtime,
) -> Beams:
    """The best `width` code tuples for each history, checked: existing, distinct, in order."""
    model = generator.restore(state, ids)
    beams = model.generate(histories, width=width, runtime=runtime)
    return check_beams(beams, len(histories), ids, width, f"model {type(model).__name__!r}")


def likelihood(
    generator: Generator, state: Arrays, ids: SemanticIds, queries: Queries, runtime: Runtime
) -> Arrays:
    """`log_p` [Q]: natural log of each target item's probability, its tuple's shared evenly among
    the items that have it.

    Only for generators that say `is_distribution`; one that gives a target no probability is named
    in a ContractError.
    """
    name = f"generator {generator.name!r}"
    model = check_likelihood(generator.restore(state, ids), name)
    codes = ids.codes[queries.targets]
    found = model.log_likelihood(queries.histories, codes, runtime=runtime)
    _, member, sizes = ids.groups()
    shared = np.log(sizes[member[queries.targets]])
    return {"log_p": check_log_likelihood(found, len(queries), name) - shared}


def measure(
    ids: SemanticIds,
    embeddings: Floats,
    categories: tuple[str, ...] | None,
    train: Sequences,
    runtime: Runtime,
) -> dict[str, float]:
    """Intrinsic measures of a tokenizer's codes before the policy, by `intrinsic/NAME`."""
    with runtime.progress.track("measure", total=1) as advance:
        found = intrinsic.measure(ids, embeddings, categories, train)
        advance()
    return {f"intrinsic/{name}": value for name, value in found.items()}


def exhaust(
    generator: Generator,
    state: Arrays,
    ids: SemanticIds,
    beams: Beams,
    queries: Queries,
    runtime: Runtime,
) -> Arrays:
    """The beams of a sample of queries against a search of all tuples (scoring/decoding.py): arrays
    [S] by name, none where the catalogue is too large. For a distribution also
    `decoding/valid_mass`, the probability that it gives to the tuples that exist.

    Only for generators that say `exact_at_full_width`; one that then leaves tuples out is named in
    a ContractError.
    """
    tuples = len(ids.groups()[2])
    rows = decoding.sample(len(queries), tuples)
    if not len(rows):
        return {}
    histories = Sequences.of([queries.histories[int(row)] for row in rows])
    exact = generate(generator, state, ids, histories, tuples, runtime)
    ranked = np.isfinite(exact.scores).sum(axis=1)
    if (ranked < tuples).any():
        raise ContractError(
            f"generator {generator.name!r}",
            expected=f"all {tuples} tuples at full width",
            found=f"{ranked.min()} of them for a query",
            remedy="leave exact_at_full_width False",
        )
    some = Beams(beams.codes[rows], beams.scores[rows])
    figures = decoding.against_exhaustive(some, exact, ids, queries.targets[rows])
    if generator.is_distribution:
        figures["decoding/valid_mass"] = decoding.valid_mass(exact)
    return figures


@dataclass(frozen=True)
class Stage:
    """A step of the pipeline.

    `inputs` name what `run` takes, in its order, a Runtime behind them: other stages, `sources`
    (`encoded`: texts, or ids, as the encoder asks), fields of the run's spec. An artifact's key is
    the digest of name, version and the digests of the inputs: raise `version` when the code gives
    other values (tests/test_versions.py says when). `save` and `load` keep the value in a folder; a
    stage without them (its `run` takes no Runtime) is made afresh wherever it is needed.
    `tell(value, *inputs, runtime)` gives figures that are not part of the value, off the clock.
    `only_for`: generators that have this stage.
    """

    name: str
    version: int
    inputs: tuple[str, ...]
    run: Callable[..., Any]
    save: Callable[[Path, Any], None] | None = None
    load: Callable[[Path], Any] | None = None
    tell: Callable[..., dict[str, float]] | None = None
    only_for: Callable[[Generator], bool] | None = None


# fmt: off
STAGES = (
    #     name     version  inputs, in the order in which the function takes them
    Stage("embed",    1, ("encoded", "encoder"),
          embed, files.write_table, files.read_table),
    Stage("catalog",  1, ("item_ids", "texts", "embed", "categories", "visible_interactions"),
          Catalog),
    Stage("tokenize", 1, ("catalog", "tokenizer", "tokenizer_seed"),
          tokenize, files.write_ids, files.read_ids, tell=measure_own_decoder),
    Stage("address",  2, ("tokenize", "embed", "collision_policy"),
          address, files.write_ids, files.read_ids),
    Stage("train",    1, ("catalog", "histories", "address", "generator", "generator_seed"),
          train, files.write_weights, files.read_weights),
    Stage("generate", 1, ("generator", "train", "address", "test_histories", "beam_width"),
          generate, files.write_beams, files.read_beams),
    Stage("measure",  1, ("tokenize", "embed", "categories", "training_rows"),
          measure, files.write_figures, files.read_figures),
    Stage("likelihood", 1, ("generator", "train", "address", "test"),
          likelihood, files.write_arrays, files.read_arrays,
          only_for=lambda generator: generator.is_distribution),
    Stage("exhaust",  2, ("generator", "train", "address", "generate", "test"),
          exhaust, files.write_arrays, files.read_arrays,
          only_for=lambda generator: generator.exact_at_full_width),
)
# fmt: on
STAGE = {stage.name: stage for stage in STAGES}
STORED = tuple(stage for stage in STAGES if stage.save)
# Stages whose values others take: a record has their digests, and always their costs.
CHAIN = tuple(stage.name for stage in STORED if any(stage.name in other.inputs for other in STAGES))


def stages_of(generator: Generator) -> list[Stage]:
    """The stages of a run with this generator, each behind those it takes from."""
    return [stage for stage in STAGES if stage.only_for is None or stage.only_for(generator)]


def key_of(stage: Stage, digests: Mapping[str, object]) -> str:
    """The key of a stage's artifact from the digests of its inputs."""
    return canonical_digest([stage.name, stage.version, [digests[name] for name in stage.inputs]])

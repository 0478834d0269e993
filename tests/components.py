"""Small, fast, honest components for tests of the core."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokbench.api import (
    DatasetSource,
    Encoder,
    Generator,
    GeneratorModel,
    Runtime,
    Tokenizer,
    option,
)
from tokbench.generators.sasrec import SasRec
from tokbench.registry.registry import Entry, Registry
from tokbench.scoring.metrics import Collisions, Ndcg, Recall
from tokbench.types import (
    Beams,
    Catalog,
    Dataset,
    Floats,
    Histories,
    SemanticIds,
    Sequences,
)

CALLS: list[str] = []  # which components worked, in order


class Tiny(DatasetSource):
    """Twelve items, eight users who walk round them."""

    name = "tiny"

    class Config(DatasetSource.Config):
        """Step."""

        step: int = option(1, ge=1, le=11, description="distance between one item and the next")

    def load(self, *, runtime: Runtime) -> Dataset:
        rows = [[(u + self.config.step * i) % 12 for i in range(5)] for u in range(8)]
        names = tuple(f"i{n}" for n in range(12))
        return Dataset(
            "tiny", names, names, names, tuple(f"u{n}" for n in range(8)), Sequences.of(rows)
        )


class Timed(Tiny):
    """The same with times."""

    name = "timed"

    def load(self, *, runtime: Runtime) -> Dataset:
        dataset = super().load(runtime=runtime)
        return replace(dataset, name="timed", times=np.arange(40) % 5 * 9 + np.arange(40) // 5)


class Letters(Encoder):
    """Digest bytes as coordinates."""

    name = "letters"

    def encode(self, texts: Sequence[str], *, runtime: Runtime) -> Floats:
        CALLS.append("encode")
        rows = [list(hashlib.sha256(text.encode()).digest()[:6]) for text in texts]
        return np.asarray(rows, dtype=np.float32) / np.float32(255)


class Hashed(Tokenizer):
    """Two codes from a seeded generator."""

    name = "hashed"
    presets = {"wide": {"codes": 12}}

    class Config(Tokenizer.Config):
        """Codes."""

        codes: int = option(4, ge=2, le=100, symbol="K", paper=64, description="codes per level")

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        CALLS.append("tokenize")
        k = self.config.codes
        codes = np.random.default_rng(seed).integers(0, k, (len(catalog), 2))
        runtime.log(epoch=1, loss=0.5, seconds=time.perf_counter())  # no two runs alike
        return SemanticIds(codes.astype(np.int32), (k, k))


class Echo(Generator):
    """Proposes the tuples in an order drawn at training."""

    name = "echo"

    def train(
        self,
        catalog: Catalog,
        histories: Histories,
        ids: SemanticIds,
        *,
        seed: int,
        runtime: Runtime,
    ) -> GeneratorModel:
        CALLS.append("train")
        tuples, _, _ = ids.groups()
        return EchoModel(np.random.default_rng(seed).permutation(tuples))

    def restore(self, state: Mapping[str, NDArray[Any]], ids: SemanticIds) -> GeneratorModel:
        return EchoModel(state["order"])


class EchoModel(GeneratorModel):
    """The same beams for everyone."""

    def __init__(self, order: NDArray[Any]) -> None:
        self.order = order

    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        CALLS.append("generate")
        top = self.order[:width]
        codes = np.broadcast_to(top, (len(histories), *top.shape))
        scores = np.broadcast_to(-np.arange(len(top), dtype=np.float32), codes.shape[:2])
        return Beams(codes, scores)

    def state(self) -> dict[str, NDArray[Any]]:
        return {"order": self.order.astype(np.int32)}


class Failing(Hashed):
    """Raises what a stranger's code raises."""

    name = "failing"

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        raise ZeroDivisionError("a stranger's mistake")


class ShortSasRec(SasRec):
    """The real one, over in an epoch."""

    presets = {}

    class Config(SasRec.Config):
        width: int = option(8, ge=8, description="width of an item")
        epochs: int = option(1, ge=1, description="passes over the training data, at most")


def registry_of(*classes: tuple[str, Any]) -> Registry:
    """A registry with the small components, the real baselines and metrics, and `classes`."""
    from tokbench.generators.bigram import Bigram
    from tokbench.generators.content_neighbours import ContentNeighbours
    from tokbench.generators.item_item import ItemItem
    from tokbench.generators.popularity import Popularity
    from tokbench.generators.recent_popularity import QueryTimePopularity, RecentPopularity
    from tokbench.tokenizers.item_id import ItemId

    registry = Registry()
    found: list[tuple[str, Any]] = [
        ("dataset", Tiny),
        ("encoder", Letters),
        ("tokenizer", Hashed),
        ("tokenizer", ItemId),
        ("generator", Echo),
        ("generator", Popularity),
        ("generator", RecentPopularity),
        ("generator", QueryTimePopularity),
        ("generator", Bigram),
        ("generator", ItemItem),
        ("generator", ContentNeighbours),
        ("generator", ShortSasRec),
        ("metric", Recall),
        ("metric", Ndcg),
        ("metric", Collisions),
        *classes,
    ]
    for kind, cls in found:
        registry.add(Entry(kind, cls.name, cls, "tests", "built-in"))
    return registry

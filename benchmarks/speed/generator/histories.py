"""Real histories where they are at hand, else those of a synthetic twin, and codes for the items.

Set TOKBENCH_DATA to a folder that holds office-5core to measure on it. A twin has its users, items
and lengths, so that times are alike; what its users take is chance, so quality is not.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tokbench.api import Runtime
from tokbench.datasets.folder import Folder, find_folder
from tokbench.datasets.prepared import data_roots
from tokbench.datasets.toy import Toy
from tokbench.encoders.tfidf import Tfidf
from tokbench.ingest.synth import synthesize
from tokbench.pipeline import stages
from tokbench.scoring.splits import Split
from tokbench.tokenizers.hierarchical_kmeans import HierarchicalKMeans
from tokbench.types import Catalog, Dataset, SemanticIds

REAL = "office-5core"


@dataclass(frozen=True)
class Work:
    """What a generator is trained on and asked for."""

    name: str  # of the data, for the row's note
    split: Split
    catalog: Catalog
    ids: SemanticIds


def histories() -> Work:
    """office-5core or its twin, under random codes: time depends on lengths, not on meaning."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = load(lambda: _twin(Path(folder)))
    items = len(dataset.item_ids)
    codes = np.random.default_rng(0).integers(0, 64, (items, 3)).astype(np.int32)
    catalog = stages.catalog(dataset, np.zeros((items, 1), np.float32), None)
    split = stages.split(dataset, "leave-one-out")
    return Work(dataset.name, split, catalog, SemanticIds(codes, (64, 64, 64)))


def meaningful(*, small: bool) -> Work:
    """office-5core or the embedded toy catalogue, under hierarchical k-means codes of tf-idf."""
    runtime = Runtime()
    toy = Toy().load(runtime=runtime)
    dataset = toy if small else load(lambda: toy)
    catalog = stages.catalog(dataset, stages.embed(dataset.texts, Tfidf(), runtime), None)
    ids = stages.tokenize(catalog, HierarchicalKMeans(), 0, runtime)
    ids = stages.address(ids, catalog.embeddings, "nearest-free", runtime)
    return Work(dataset.name, stages.split(dataset, "leave-one-out"), catalog, ids)


def load(otherwise: Callable[[], Dataset]) -> Dataset:
    """The real dataset, or what `otherwise` makes."""
    folder = find_folder(REAL, data_roots())
    if folder is not None:
        return Folder.of(path=str(folder)).load(runtime=Runtime())
    print(f"no {REAL} under TOKBENCH_DATA: measuring on a stand-in", file=sys.stderr)
    return otherwise()


def _twin(root: Path) -> Dataset:
    synthesize(REAL, root / f"synthetic-{REAL}")
    return Folder.of(path=str(root / f"synthetic-{REAL}")).load(runtime=Runtime())

"""Small catalogues for the tests of the tokenizers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import make_blobs

from tokbench.types import Catalog


def catalog_of(embeddings: NDArray[np.floating]) -> Catalog:
    """A catalogue with these embeddings [N, D], items called item-0, item-1, ..."""
    ids = tuple(f"item-{n}" for n in range(len(embeddings)))
    return Catalog(ids, ids, embeddings.astype(np.float32))


@pytest.fixture(scope="session")
def blobs() -> tuple[Catalog, NDArray[np.int64]]:
    """240 items in 6 planted neighbourhoods of 40, unit norm with a large common mean (as text
    embeddings have), and the neighbourhood of each."""
    points, labels = make_blobs(240, 16, centers=6, cluster_std=1.0, random_state=0)
    points += 20
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return catalog_of(points), labels.astype(np.int64)

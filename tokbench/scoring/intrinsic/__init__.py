"""Measures of a tokenizer that need no generator (docs/intrinsic.md has every definition).

They describe codes as the tokenizer made them, before the collision policy. Whether any of them
predicts Recall is an open question that `tokbench report intrinsic` puts to the records.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tokbench.scoring.intrinsic import agreement, neighbours, reconstruction
from tokbench.scoring.intrinsic.usage import usage
from tokbench.types import Floats, Ints, SemanticIds, Sequences

SAMPLE_ABOVE = 10_000  # items; larger catalogues ask for the neighbours of a sample only
SAMPLE = 2_000


def measure(
    ids: SemanticIds,
    embeddings: Floats,
    categories: Sequence[str] | None,
    train: Sequences,
) -> dict[str, float]:
    """Every measure by name; {} for codes that only number the items (one level, all distinct).

    `train` are the training interactions. Deterministic; above SAMPLE_ABOVE items the neighbour
    and retrieval figures are means over SAMPLE items drawn with a fixed seed.
    """
    _, _, sizes = ids.groups()
    if len(ids) < 2 or (ids.levels == 1 and len(sizes) == len(ids)):
        return {}
    figures = usage(ids) | agreement.adjacent_agreement(ids, train)
    if categories is not None:
        figures |= agreement.category_purity(ids, categories)
    rows = asked(len(ids))
    k = min(neighbours.K, len(ids) - 1)
    near = neighbours.nearest(embeddings, rows, k)
    figures[f"knn/codes@{neighbours.K}"] = neighbours.code_overlap(ids, near, rows)
    figures[f"knn/random@{neighbours.K}"] = k / (len(ids) - 1)
    x_hat = reconstruction.linear_decoder(ids, embeddings)
    if x_hat is not None:
        figures |= measure_decoder("linear", x_hat, ids, embeddings)
    return figures


def measure_decoder(
    decoder: str, x_hat: Floats, ids: SemanticIds, embeddings: Floats
) -> dict[str, float]:
    """The figures of a decoder's x_hat [G, D], one vector for each distinct tuple."""
    _, member, _ = ids.groups()
    rows = asked(len(ids))
    near = neighbours.nearest(embeddings, rows, min(neighbours.K, len(ids) - 1))
    found = reconstruction.fidelity(embeddings, x_hat, member)
    found |= reconstruction.retrieval(embeddings, x_hat, member, rows)
    overlap = neighbours.vector_overlap(x_hat, ids, near, rows)
    return {
        f"knn/{decoder}@{neighbours.K}": overlap,
        **{f"{decoder}/{name}": value for name, value in found.items()},
    }


def asked(items: int) -> Ints:
    """The items whose neighbours are looked for: all, or a seeded sample of many."""
    if items <= SAMPLE_ABOVE:
        return np.arange(items)
    return np.sort(np.random.default_rng(0).choice(items, SAMPLE, replace=False))

"""The small catalogues that components are examined on: made from a seed, no files.

Axes: N items, D embedding width, U users.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tokbench.pipeline import stages
from tokbench.types import Catalog, Dataset, Floats, SemanticIds, Sequences

ITEMS, WIDTH, USERS, LENGTH = 256, 32, 120, 8
NEIGHBOURHOODS = 16
LARGE = 4_000  # items


def dataset(items: int = ITEMS, *, other_held_out: bool = False) -> Dataset:
    """Users who walk about neighbourhoods.

    With `other_held_out` the last two items of every user, which leave-one-out holds out, are
    others; all that is trained on is the same.
    """
    chance = np.random.default_rng(0)
    rows = chance.integers(0, NEIGHBOURHOODS, (USERS, 1)) + NEIGHBOURHOODS * np.arange(LENGTH)
    rows = (rows + chance.integers(0, 2, rows.shape)) % items
    if other_held_out:
        rows[:, -2:] = (rows[:, -2:] + items // 2) % items
    names = tuple(f"item-{n}" for n in range(items))
    kinds = tuple(f"kind {n % NEIGHBOURHOODS}" for n in range(items))
    texts = tuple(f"{kind} thing number {n}" for n, kind in enumerate(kinds))
    users = tuple(f"user-{u}" for u in range(USERS))
    return Dataset("standard", names, texts, texts, users, Sequences.of(list(rows)), None, kinds)


def embeddings(items: int = ITEMS) -> Floats:
    """Neighbourhoods of unit vectors with a large common mean, as text embeddings have."""
    chance = np.random.default_rng(1)
    centres = chance.normal(size=(NEIGHBOURHOODS, WIDTH))
    points = 3 + centres[np.arange(items) % NEIGHBOURHOODS]
    points = points + 0.3 * chance.normal(size=points.shape)
    unit: Floats = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    return unit


def catalog(*, interactions: bool, items: int = ITEMS, other_held_out: bool = False) -> Catalog:
    """What a run would show a tokenizer: training rows, and those only if it asks."""
    data = dataset(items, other_held_out=other_held_out)
    train = stages.split(data, "leave-one-out").histories.train if interactions else None
    return stages.catalog(data, embeddings(items), train)


def duplicates(seen: Catalog, distinct: int) -> Catalog:
    """The same items, with only so many different embeddings among them."""
    rows = np.arange(len(seen)) % distinct
    return replace(seen, embeddings=seen.embeddings[rows])


def codes(items: int = ITEMS) -> SemanticIds:
    """Tuples of three levels of 8; one in eight items shares the tuple of the one before."""
    n = np.arange(items)
    n = n - (n % 8 == 7)
    return SemanticIds(np.stack([n // 64, n // 8 % 8, n % 8], axis=1) % 8, (8, 8, 8))

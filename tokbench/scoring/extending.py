"""Codes for items that a frozen table does not have: a refresh that leaves every old item alone.

Axes: N items of the table, A items to add, M levels, D embedding width.
"""

from __future__ import annotations

import math

import numpy as np

from tokbench.api import batches
from tokbench.errors import ConfigError, listed
from tokbench.scoring.collisions import (
    BLOCK,
    Reals,
    first_depth,
    fit_codebooks,
    move_within_prefixes,
    residuals,
    squares,
)
from tokbench.types import Floats, Ints, SemanticIds

POLICIES = ("nearest-free", "none")


def extend(ids: SemanticIds, embeddings: Floats, added: Floats, *, policy: str) -> SemanticIds:
    """The table with A more rows: [N + A, M], the first N as they were.

    A new item gets, level by level, the code whose vector is nearest to what the levels before
    leave of its embedding; a code's vector is the mean of that over the table's items that have it
    (`fit_codebooks`), so residual k-means codes it as its own centroids would, and for other
    tokenizers it is the nearest that a table says. Codes that no item has are not given. Under
    `nearest-free` a new item whose tuple is taken moves, the best-fitting first, to the free tuple
    nearest to it, as in a run; under `none` it shares the tuple.

    Raises ConfigError for another policy, and where `nearest-free` has no tuple left.
    """
    if policy not in POLICIES:
        raise ConfigError(f"new items are placed by {listed(POLICIES)}, not {policy!r}")
    codebooks = fit_codebooks(ids, embeddings)
    codes = np.concatenate([ids.codes.astype(np.int64), nearest_codes(ids, added, codebooks)])
    if policy == "nearest-free":
        if math.prod(ids.level_sizes) < len(codes):
            raise ConfigError(
                f"{math.prod(ids.level_sizes)} tuples for {len(codes)} items: place new items with "
                "the policy none"
            )
        both = np.concatenate([embeddings, added])
        waiting = _taken(codes, len(ids), both, codebooks)
        for depth in range(first_depth(ids.level_sizes), ids.levels + 1):
            waiting = move_within_prefixes(codes, waiting, both, codebooks, depth)
    return SemanticIds(codes.astype(np.int32), ids.level_sizes)


def nearest_codes(ids: SemanticIds, added: Floats, codebooks: list[Reals]) -> Ints:
    """The codes of new items before any collision is looked at, [A, M]."""
    found = np.zeros((len(added), ids.levels), np.int64)
    for block in batches(len(added), BLOCK):
        left = added[block].astype(np.float64)
        for level, book in enumerate(codebooks):
            unused = np.setdiff1d(np.arange(len(book)), ids.codes[:, level])
            distances = squares(left, book)
            distances[:, unused] = np.inf
            found[block, level] = distances.argmin(axis=1)
            left -= book[found[block, level]]
    return found


def _taken(codes: Ints, old: int, embeddings: Floats, codebooks: list[Reals]) -> Ints:
    """The new items whose tuple an old item has, or a new one that fits it better; the
    best-fitting first."""
    _, member = np.unique(codes, axis=0, return_inverse=True)
    member = member.reshape(-1)
    new = np.arange(old, len(codes))
    error = np.square(residuals(embeddings[new], codes[new], codebooks, codes.shape[1])).sum(axis=1)
    in_order = new[np.argsort(error, kind="stable")]
    _, first = np.unique(np.concatenate([member[:old], member[in_order]]), return_index=True)
    stays = np.zeros(len(codes), np.bool_)
    stays[np.concatenate([np.arange(old), in_order])[first]] = True
    return in_order[~stays[in_order]]

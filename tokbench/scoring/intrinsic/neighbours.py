"""Do codes keep neighbours together? Overlap of the k nearest by embedding and by code.

Axes: N items, R rows asked for, G distinct tuples, M levels, D embedding width.

Ties are the rule among codes: all items of a tuple are equally near. They are not broken: of a tie
that crosses the k-th place, every item counts with the probability that a random order puts it
within the k.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tokbench.types import Floats, Ints, SemanticIds

K = 10
CELLS = 2**24  # similarities held at once: 64 MB in float32
Scores = NDArray[np.float32]


def code_overlap(ids: SemanticIds, neighbours: Ints, rows: Ints) -> float:
    """Mean share of the k nearest by embedding that are among the k nearest by code.

    Nearness of codes: the longer shared prefix first, then the more equal levels (Hamming).
    `neighbours` [R, k] are those of `rows` [R] by embedding.
    """
    tuples, member, sizes = ids.groups()
    shares = [
        expected_overlap(code_nearness(tuples[member[rows[part]]], tuples), member[rows[part]],
                         member[neighbours[part]], sizes)
        for part in blocks(len(rows), len(tuples))
    ]  # fmt: skip
    return float(np.concatenate(shares).mean())


def vector_overlap(vectors: Floats, ids: SemanticIds, neighbours: Ints, rows: Ints) -> float:
    """Mean share of the k nearest by embedding that are among the k nearest by cosine between
    `vectors` [G, D], one for each distinct tuple of `ids`."""
    _, member, sizes = ids.groups()
    v = unit(vectors)
    shares = [
        expected_overlap(v[member[rows[part]]] @ v.T, member[rows[part]],
                         member[neighbours[part]], sizes)
        for part in blocks(len(rows), len(v))
    ]  # fmt: skip
    return float(np.concatenate(shares).mean())


def nearest(embeddings: Floats, rows: Ints, k: int = K) -> Ints:
    """The k nearest items of each row by cosine, the row itself left out, [R, k] in no order."""
    x, found = unit(embeddings), []
    for part in blocks(len(rows), len(x)):
        near = x[rows[part]] @ x.T
        near[np.arange(len(near)), rows[part]] = -np.inf
        found.append(np.argpartition(near, -k, axis=1)[:, -k:])
    return np.concatenate(found).astype(np.int64)


def code_nearness(asked: NDArray[np.int32], tuples: NDArray[np.int32]) -> Scores:
    """(M + 1) x shared prefix length + number of equal levels, for [R, M] and [G, M]: [R, G]."""
    levels = tuples.shape[1]
    prefix = np.zeros((len(asked), len(tuples)), np.float32)
    equal = np.zeros_like(prefix)
    alive = np.ones(prefix.shape, dtype=bool)
    for level in range(levels):
        same = asked[:, level, None] == tuples[None, :, level]
        alive &= same
        prefix += alive
        equal += same
    nearness: Scores = (levels + 1) * prefix + equal
    return nearness


def expected_overlap(near: Scores, own: Ints, wanted: Ints, sizes: Ints) -> NDArray[np.float64]:
    """For each row the expected share of `wanted` among its k nearest, [R].

    `near` [R, G] is the nearness of the items of each group, `sizes` [G] how many they are, `own`
    [R] the row's own group (which has one item less to offer), `wanted` [R, k] groups of items.
    """
    row, k = np.arange(len(near)), wanted.shape[1]
    # k + 1 groups hold k items at least, so the k-th nearest item lies in one of these.
    most = min(k + 1, near.shape[1])
    top = np.argpartition(near, -most, axis=1)[:, -most:]
    top = np.take_along_axis(top, np.argsort(-near[row[:, None], top], axis=1), axis=1)
    held = np.cumsum(sizes[top] - (top == own[:, None]), axis=1)
    last = top[row, (held >= k).argmax(axis=1)]
    threshold = near[row, last][:, None]
    mine = near[row, own][:, None]
    ahead = (near > threshold) @ sizes - (mine > threshold)[:, 0]
    tied = (near == threshold) @ sizes - (mine == threshold)[:, 0]
    value = near[row[:, None], wanted]
    chance = np.clip((k - ahead) / np.maximum(tied, 1), 0, 1)[:, None]
    share: NDArray[np.float64] = np.where(
        value > threshold, 1.0, np.where(value == threshold, chance, 0.0)
    ).mean(axis=1)
    return share


def unit(vectors: Floats) -> Floats:
    """Rows at length 1, float32; a row of zeros stays."""
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norm, 1e-12), dtype=np.float32)


def blocks(rows: int, width: int) -> Iterator[slice]:
    """Consecutive slices of `rows`, each with CELLS entries of `width` at most."""
    step = max(1, CELLS // max(width, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))

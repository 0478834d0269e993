"""What becomes of items that a tokenizer gave the same tuple: the collision policy.

Axes: N items, D embedding width, M levels, K codes of a level.

The policy is an axis of its own, crossed with every tokenizer. It sees codes and embeddings only,
so it treats a foreign code table like one computed here: the level codebooks are estimated as the
means of the embeddings' residuals, level by level (`fit_codebooks`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tokbench.api import batches
from tokbench.errors import ConfigError, listed
from tokbench.types import Codes, Floats, Ints, SemanticIds

POLICIES: Mapping[str, str] = MappingProxyType(
    {
        "nearest-free": "a unique tuple for every item: the colliding ones move one after the "
        "other, the best-fitting first, to the free tuple nearest to them",
        "reassign-last": "last codes within a prefix that has a collision given out anew, each to "
        "one item, at the least total error (zero-collision reassignment); of more items than "
        "codes the rest move as under nearest-free",
        "extra-token": "one more level that numbers the items of a tuple (TIGER)",
        "sinkhorn": "last codes of colliding items spread by optimal transport (LC-Rec); "
        "what cannot be told apart stays merged",
        "none": "items that collide stay merged: the raw tokenizer",
    }
)
DEFAULT_POLICY = "nearest-free"

# LC-Rec (arXiv 2311.09049), its published settings
EPSILON = 0.003
ITERATIONS = 50
ROUNDS = 20

TAIL_LEVELS = 2  # levels whose codes nearest-free may change, deeper only where none is free
WIDEST_TAIL = 2**18  # tuples weighed per item; where the tail has more, the last level goes first
BLOCK = 2**14  # items whose residuals are held at a time

Reals = NDArray[np.float64]


def address(ids: SemanticIds, embeddings: Floats, policy: str = DEFAULT_POLICY) -> SemanticIds:
    """The codes items are finally known by, [N, M] or [N, M + 1], under one of POLICIES.

    A pure function of its arguments. Raises ConfigError for an unknown policy, and where
    `nearest-free` has fewer tuples than items.
    """
    assert len(ids) == len(embeddings), f"{len(ids)} items, {len(embeddings)} embeddings"
    if policy not in POLICIES:
        known = listed(list(POLICIES))
        raise ConfigError(f"unknown collision policy '{policy}': use one of {known}")
    if policy == "extra-token":
        return number_within_groups(ids)
    if policy == "none" or len(ids.groups()[2]) == len(ids):
        return ids
    return MOVES[policy](ids, embeddings)


def number_within_groups(ids: SemanticIds) -> SemanticIds:
    """One more level: 0, 1, 2, ... within each tuple, in item order (TIGER, arXiv 2305.05065).

    The level has as many codes as the largest group has items; without collisions it is the
    constant 0, so that tuples keep one length whatever the tokenizer did.
    """
    _, member, sizes = ids.groups()
    order = np.argsort(member, kind="stable")
    number = np.empty(len(ids), np.int64)
    number[order] = np.arange(len(ids)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    codes = np.concatenate([ids.codes, number[:, None].astype(np.int32)], axis=1)
    return SemanticIds(codes, (*ids.level_sizes, int(sizes.max(initial=1))))


def fit_codebooks(ids: SemanticIds, embeddings: Floats) -> list[Reals]:
    """The codebook of each level as its codes imply it: float64 [K, D] per level.

    A code's vector is the mean, over its items, of what the levels before it left unexplained. A
    code that no item uses gets the mean over all items: what a level says that says nothing. In
    blocks, since a table of float64 is twice the size of the embeddings.
    """
    from scipy.sparse import csr_array

    n, codes = len(ids), ids.codes.astype(np.int64)
    codebooks: list[Reals] = []
    for level, size in enumerate(ids.level_sizes):
        sums, total = np.zeros((size, embeddings.shape[1])), np.zeros(embeddings.shape[1])
        for block in batches(n, BLOCK):
            left = residuals(embeddings[block], codes[block], codebooks, level)
            chosen = codes[block, level], np.arange(len(left))
            member = csr_array((np.ones(len(left)), chosen), shape=(size, len(left)))
            sums += np.asarray(member @ left)
            total += left.sum(axis=0)
        counts = np.bincount(codes[:, level], minlength=size)[:, None]
        codebooks.append(np.where(counts > 0, sums / np.maximum(counts, 1), total / n))
    return codebooks


def residuals(embeddings: Floats, codes: Ints, codebooks: list[Reals], levels: int) -> Reals:
    """What the first `levels` levels leave of the embeddings, float64 [N, D]."""
    left = embeddings.astype(np.float64)
    for level in range(levels):
        left -= codebooks[level][codes[:, level]]
    return left


def move_to_nearest_free(ids: SemanticIds, embeddings: Floats) -> SemanticIds:
    """A unique tuple per item, item by item at the least quantization error
    ||x - sum of its codes||^2 that is still to be had.

    In each group the best-fitting item stays. The others move one after the other, the
    best-fitting first (the lower item index where equal), each to the free tuple that
    reconstructs it best among those that share its first M - 2 codes; where none of them is free,
    among those that share the first M - 3, and so on. Later moves never undo earlier ones, so the
    sum over items is not the least there is: where most items collide, an optimal assignment adds
    about two thirds of what this adds.
    """
    if math.prod(ids.level_sizes) < len(ids):
        sizes = listed([str(size) for size in ids.level_sizes])
        raise ConfigError(
            f"collision policy nearest-free: codebooks of {sizes} codes name "
            f"{math.prod(ids.level_sizes)} items at most, the catalogue has {len(ids)} "
            "(use more levels, larger codebooks or the policy extra-token)"
        )
    codebooks = fit_codebooks(ids, embeddings)
    codes = ids.codes.astype(np.int64)
    waiting = _movers(ids, embeddings, codebooks)
    for depth in range(first_depth(ids.level_sizes), ids.levels + 1):
        waiting = move_within_prefixes(codes, waiting, embeddings, codebooks, depth)
    return SemanticIds(codes.astype(np.int32), ids.level_sizes)


def _movers(ids: SemanticIds, embeddings: Floats, codebooks: list[Reals]) -> Ints:
    """Every item that is not the best-fitting of its group, best-fitting first."""
    _, member, sizes = ids.groups()
    crowded = np.flatnonzero(sizes[member] > 1)
    left = residuals(
        embeddings[crowded], ids.codes[crowded].astype(np.int64), codebooks, ids.levels
    )
    error = np.square(left).sum(axis=1)
    # Two items that alone share a code lie equally far from it: rounding must not choose.
    error = (error / error.max(initial=1e-30)).round(9)
    best_first = np.argsort(error, kind="stable")
    _, stays = np.unique(member[crowded][best_first], return_index=True)
    return crowded[np.delete(best_first, stays)]


def first_depth(level_sizes: tuple[int, ...]) -> int:
    """How many of the last levels are searched together at first."""
    tail = level_sizes[-TAIL_LEVELS:]
    return len(tail) if math.prod(tail) <= WIDEST_TAIL else 1


def move_within_prefixes(
    codes: Ints, waiting: Ints, embeddings: Floats, codebooks: list[Reals], depth: int
) -> Ints:
    """Give `waiting` items the best free codes of their last `depth` levels, writing to `codes`.

    Returns those whose prefix has no free tuple left. Their prefix being full bounds the next
    depth's table to N x K entries.
    """
    if not len(waiting):
        return waiting
    prefix, tail = codes[:, :-depth], codebooks[-depth:]
    table = _tail_norms(tail)
    cells = np.ravel_multi_index(tuple(codes[:, -depth:].T), table.shape)
    left = residuals(embeddings[waiting], prefix[waiting], codebooks, prefix.shape[1])
    pulls = [-2 * left @ book.T for book in tail]
    _, block = np.unique(prefix, axis=0, return_inverse=True)
    block = block.reshape(-1)
    settled = np.setdiff1d(np.arange(len(codes)), waiting)
    settled = settled[np.argsort(block[settled], kind="stable")]
    bounds = np.searchsorted(block[settled], np.arange(block.max() + 2))
    homeless = []
    for here, rows in _grouped(block[waiting]):
        free = table.copy()
        free.flat[cells[settled[bounds[here] : bounds[here + 1]]]] = np.inf
        for row in rows:  # the order of `waiting`
            cost = free + reduce(np.add.outer, [pull[row] for pull in pulls])
            best = int(cost.argmin())
            if cost.flat[best] == np.inf:
                homeless.append(row)
                continue
            free.flat[best] = np.inf
            codes[waiting[row], -depth:] = np.unravel_index(best, table.shape)
    return waiting[np.sort(np.array(homeless, np.int64))]


def _tail_norms(books: list[Reals]) -> Reals:
    """||c_1 + ... + c_d||^2 for every combination of one code per book, [K_1, ..., K_d].

    An item with residual r is reconstructed with error ||r||^2 - 2 sum_j r.c_j + this: the
    pairwise products (the Gram matrices of the books) are all that is shared between items.
    """
    norms = reduce(np.add.outer, [np.square(book).sum(axis=1) for book in books])
    axes = list(range(len(books)))
    for i in axes:
        for j in axes[i + 1 :]:
            gram = 2 * books[i] @ books[j].T
            norms = norms + np.expand_dims(gram, tuple(a for a in axes if a not in (i, j)))
    return np.asarray(norms)


def _grouped(labels: Ints) -> Iterator[tuple[int, Ints]]:
    """(label, its positions in ascending order) for each distinct label."""
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    for label, start, end in zip(present, starts, [*starts[1:], len(order)], strict=False):
        yield int(label), order[start:end]


def reassign_last(ids: SemanticIds, embeddings: Floats) -> SemanticIds:
    """A unique tuple per item, prefixes kept: the zero-collision reassignment of the last level
    (arXiv 2605.25330).

    Within a prefix (the first M - 1 codes) with a collision, all items are matched to distinct last
    codes so that sum ||residual - code||^2 is least (an assignment problem). Of more items than
    codes the cheapest to place are matched first; those left over are resolved as under
    `nearest-free`, which may move a matched one too. Raises
    ConfigError as that does.
    """
    from scipy.optimize import linear_sum_assignment

    codebooks = fit_codebooks(ids, embeddings)
    codes = ids.codes.copy()
    _, prefix = np.unique(codes[:, :-1], axis=0, return_inverse=True)
    for _, items in _grouped(prefix.reshape(-1)):
        if len(np.unique(codes[items, -1])) == len(items):
            continue
        before = codes[items].astype(np.int64)
        left = residuals(embeddings[items], before, codebooks, ids.levels - 1)
        rows, chosen = linear_sum_assignment(squares(left, codebooks[-1]))
        codes[items[rows], -1] = chosen
    moved = SemanticIds(codes, ids.level_sizes)
    return (
        moved if len(moved.groups()[2]) == len(moved) else move_to_nearest_free(moved, embeddings)
    )


def spread_by_sinkhorn(ids: SemanticIds, embeddings: Floats) -> SemanticIds:
    """New last codes for colliding items, group by group, by optimal transport (LC-Rec).

    A group's items are matched with all codes of the last level so that every code receives an
    equal share. Groups are formed anew after each round, up to ROUNDS times, since a moved item
    may land on another. Items with equal embeddings get equal codes and stay merged, and so do
    a few others that no round parts. Where LC-Rec measures distances in its latent space, this
    does so between embeddings and the codebooks of `fit_codebooks`. A code
    that no item had is estimated by the mean of all there, so the plan cannot choose between such
    codes; they take, in the end, distinct items of their prefix that are still merged.
    """
    codebooks = fit_codebooks(ids, embeddings)
    left = residuals(embeddings, ids.codes.astype(np.int64), codebooks, ids.levels - 1)
    unused = np.setdiff1d(np.arange(ids.level_sizes[-1]), ids.codes[:, -1])
    for _ in range(ROUNDS):
        _, member, sizes = ids.groups()
        codes = ids.codes.copy()
        by_group = np.argsort(member, kind="stable")
        by_group = by_group[sizes[member[by_group]] > 1]
        for size, rows in _grouped(sizes[member[by_group]]):
            items = by_group[rows].reshape(-1, size)  # each row is one group
            codes[items, -1] = balanced_codes(squares(left[items], codebooks[-1]))
        if np.array_equal(codes, ids.codes):
            break
        ids = SemanticIds(codes, ids.level_sizes)
    codes = ids.codes.copy()
    _part_on_unused(codes, left, codebooks[-1], unused)
    return SemanticIds(codes, ids.level_sizes)


def _part_on_unused(codes: Codes, left: Reals, book: Reals, unused: Ints) -> None:
    """Move distinct residuals [N, D] that share a tuple to `unused` last codes of their prefix, as
    far as these go: the one nearest to its code stays. Writes to `codes` [N, M]."""
    _, prefix = np.unique(codes[:, :-1], axis=0, return_inverse=True)
    for _, rows in _grouped(prefix.reshape(-1)):
        free = iter(np.setdiff1d(unused, codes[rows, -1]).tolist())
        for code, at in _grouped(codes[rows, -1].astype(np.int64)):
            items = rows[at]
            distinct, first, member = np.unique(
                left[items], axis=0, return_index=True, return_inverse=True
            )
            stays = int(np.square(distinct - book[code]).sum(axis=1).argmin())
            leaving = [number for number in np.argsort(first) if number != stays]
            for number, target in zip(leaving, free, strict=False):
                codes[items[member.reshape(-1) == number], -1] = target


def squares(left: Reals, book: Reals) -> Reals:
    """Squared distances [..., K] between residuals [..., D] and a codebook [K, D]."""
    squares = np.square(left).sum(axis=-1)[..., None] + np.square(book).sum(axis=1)
    return np.asarray(squares - 2 * left @ book.T)


def balanced_codes(distances: Reals) -> Ints:
    """The code of each item under Sinkhorn's plan, [n, g] for distances [n, g, K].

    Each of the n groups is centred to [-1, 1] and balanced on its own: rows carry 1/g, columns
    1/K. Where g < K most columns belong to one item entirely and its best share is tied; LC-Rec
    leaves that to rounding, here the nearest of the tied codes is taken.
    """
    _, g, k = distances.shape
    low = distances.min(axis=(1, 2), keepdims=True)
    middle = (distances.max(axis=(1, 2), keepdims=True) + low) / 2
    centred = (distances - middle) / (middle - low + 1e-5)
    # rows are divided by their sums first, so shifting each to 0 changes nothing but the range
    plan = np.exp((centred.min(axis=2, keepdims=True) - centred) / EPSILON)
    for _ in range(ITERATIONS):
        plan /= plan.sum(axis=2, keepdims=True) * g
        plan /= plan.sum(axis=1, keepdims=True) * k
    best = plan >= plan.max(axis=2, keepdims=True) * (1 - 1e-6)
    return np.asarray(np.where(best, distances, np.inf).argmin(axis=2))


MOVES: Mapping[str, Callable[[SemanticIds, Floats], SemanticIds]] = MappingProxyType(
    {
        "nearest-free": move_to_nearest_free,
        "reassign-last": reassign_last,
        "sinkhorn": spread_by_sinkhorn,
    }
)

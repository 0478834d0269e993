"""How much of the embedding the codes still hold: x against x_hat, a reconstruction from codes.

Axes: N items, D embedding width, C codes in use over all levels, G distinct tuples, R rows.

Any tokenizer has a `linear` x_hat: the least-squares fit of x by the sum of one vector per code,
x_hat(n) = sum_l v_l[c_l(n)]. Two tokenizers are so compared by one decoder, whatever their own is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tokbench.scoring.intrinsic.neighbours import blocks, unit
from tokbench.types import Floats, Ints, SemanticIds

MOST_CODES = 2048  # beyond, the normal equations of the linear decoder take too long
COLUMNS = 64  # of the embeddings, in float64 at once


def linear_decoder(ids: SemanticIds, embeddings: Floats) -> Floats | None:
    """x_hat of every distinct tuple, [G, D]; None where more than MOST_CODES codes are in use.

    Minimises sum_n ||x_n - sum_l v_l[c_l(n)]||^2 by the normal equations. Each level's one-hot
    codes add up to 1, so the vectors v are not unique; x_hat is (the pseudo-inverse gives it).
    """
    from scipy.sparse import csr_array

    tuples, member, _ = ids.groups()
    column, used = np.zeros_like(tuples, dtype=np.int64), 0
    for level in range(ids.levels):
        codes, column[:, level] = np.unique(tuples[:, level], return_inverse=True)
        column[:, level] += used
        used += len(codes)
    if used > MOST_CODES:
        return None
    where = np.repeat(np.arange(len(tuples)), ids.levels)
    onehot = csr_array((np.ones(len(where)), (where, column.ravel())), shape=(len(tuples), used))
    items = onehot[member]
    values, basis = np.linalg.eigh((items.T @ items).toarray())
    kept = values > values.max() * used * np.finfo(np.float64).eps
    inverse = (basis[:, kept] / values[kept]) @ basis[:, kept].T
    x_hat = np.empty((len(tuples), embeddings.shape[1]), np.float32)
    for start in range(0, embeddings.shape[1], COLUMNS):
        some = slice(start, start + COLUMNS)
        x_hat[:, some] = onehot @ (inverse @ (items.T @ embeddings[:, some].astype(np.float64)))
    return x_hat


def fidelity(embeddings: Floats, x_hat: Floats, member: Ints) -> dict[str, float]:
    """`explained` and `cosine` of x_hat [G, D], `member` [N] being the tuple of each item.

    explained = 1 - sum ||x - x_hat||^2 / sum ||x - mean||^2 (the coefficient of determination;
    below 0 where the mean were a better guess); cosine is the mean of cos(x, x_hat).
    """
    mean = embeddings.mean(axis=0, dtype=np.float64)
    left, total, cosine = 0.0, 0.0, 0.0
    for part in blocks(len(embeddings), embeddings.shape[1]):
        x, guess = embeddings[part].astype(np.float64), x_hat[member[part]].astype(np.float64)
        left += float(np.square(x - guess).sum())
        total += float(np.square(x - mean).sum())
        cosine += float((unit(embeddings[part]) * unit(x_hat[member[part]])).sum())
    return {
        "explained": 1 - left / total if total > 0 else 1.0,
        "cosine": cosine / len(embeddings),
    }


def retrieval(embeddings: Floats, x_hat: Floats, member: Ints, rows: Ints) -> dict[str, float]:
    """Is an item the nearest, by cosine, to its own reconstruction? `top1` and `mrr`.

    Every item's x competes for the x_hat of each of `rows`: the whole catalogue, where training
    by Eq. 4 of CoST (arXiv 2404.14774) sees a batch and asks the other way round (for x_hat given
    x). Items with equal embeddings tie, and count at their expected rank.
    """
    distinct, which, sizes = distinct_rows(embeddings)
    x, guess = unit(distinct), unit(x_hat)
    top1, mrr = [], []
    for part in blocks(len(rows), len(x)):
        near = guess[member[rows[part]]] @ x.T
        own = which[rows[part]]
        ahead = (near > near[np.arange(len(near)), own][:, None]) @ sizes
        group = sizes[own]
        top1.append((ahead == 0) / group)
        mrr.append((_harmonic(ahead + group) - _harmonic(ahead)) / group)
    return {"top1": float(np.concatenate(top1).mean()), "mrr": float(np.concatenate(mrr).mean())}


def distinct_rows(vectors: Floats) -> tuple[Floats, Ints, Ints]:
    """(distinct rows [U, D], which of them each row is [N], how often each occurs [U])."""
    as_bytes = np.ascontiguousarray(vectors).view(
        np.dtype((np.void, vectors.itemsize * vectors.shape[1]))
    )
    _, first, which, sizes = np.unique(
        as_bytes.ravel(), return_index=True, return_inverse=True, return_counts=True
    )
    return vectors[first], which.reshape(-1).astype(np.int64), sizes.astype(np.int64)


def _harmonic(n: Ints) -> NDArray[np.float64]:
    """1 + 1/2 + ... + 1/n for each n."""
    sums = np.append(0.0, np.cumsum(1 / np.arange(1, int(n.max(initial=0)) + 1)))
    found: NDArray[np.float64] = sums[n]
    return found

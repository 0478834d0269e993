"""Neighbours of the history's items, summed with more weight on the newest; then what is popular.

What `item-item` and `content-neighbours` share: they differ in what makes two items neighbours.

Axes: N items, G distinct tuples, Q queries, B beams.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tokbench.api import GeneratorModel, Runtime, batches
from tokbench.generators.popularity import padded, ranked, smoothed_counts
from tokbench.types import Beams, Ints, SemanticIds, Sequences

Matrix = sparse.csr_array[np.float64]
SCORES = 2**22  # numbers in a matrix of scores: 32 MiB


class Neighbourhood(GeneratorModel):
    """Score of tuple t: sum over the history's last `window` items i of recency^age * s(i, t).

    The newest item has age 0. `similarity` [N, G] is sparse and not negative. Tuples without a
    score come after, by popularity: `order` [G], most frequent first, which also settles ties.
    With `own_last` the history's own tuples come last of all.
    """

    def __init__(self, config: Any, ids: SemanticIds, similarity: Matrix, order: Ints) -> None:
        self.window, self.recency, self.own_last = config.window, config.recency, config.own_last
        self.tuples, self.member, _ = ids.groups()
        self.similarity, self.order = similarity, order

    @classmethod
    def over(
        cls, config: Any, ids: SemanticIds, similarity: Matrix, train: Sequences, seed: int
    ) -> Neighbourhood:
        """With the popularity of the training rows."""
        return cls(config, ids, similarity, ranked(smoothed_counts(train, ids), seed))

    @classmethod
    def restored(
        cls, config: Any, ids: SemanticIds, state: Mapping[str, NDArray[Any]]
    ) -> Neighbourhood:
        """The model whose `state()` this was."""
        parts = (state["similarities"], state["neighbours"], state["offsets"])
        similarity = sparse.csr_array(parts, shape=(len(ids), len(state["order"])))
        return cls(config, ids, similarity, state["order"])

    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        """Scores are sums of similarities: 0 where popularity decides, -1 for what comes last."""
        best = min(width, len(self.tuples))
        chosen = np.empty((len(histories), best), np.int64)
        scores = np.empty((len(histories), best))
        with runtime.progress.track("generate", total=len(histories)) as advance:
            for rows in batches(len(histories), max(1, SCORES // len(self.tuples))):
                block = self._scores(histories, rows)[:, self.order]
                places = np.argsort(-block, axis=1, kind="stable")[:, :best]
                chosen[rows] = self.order[places]
                scores[rows] = np.take_along_axis(block, places, axis=1)
                advance(len(places))
        return padded(self.tuples, chosen, scores, width)

    def _scores(self, histories: Sequences, rows: slice) -> NDArray[np.float64]:
        """[rows, G]."""
        offsets = histories.offsets[rows.start : rows.stop + 1]
        items = histories.items[offsets[0] : offsets[-1]]
        row = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        age = offsets[1:][row] - 1 - np.arange(offsets[0], offsets[-1])
        weight = np.where(age < self.window, self.recency**age, 0.0)
        shape = (len(offsets) - 1, self.similarity.shape[0])
        scores: NDArray[np.float64] = (
            sparse.csr_array((weight, (row, items)), shape=shape) @ self.similarity
        ).toarray()
        if self.own_last:
            scores[row, self.member[items]] = -1.0
        return scores

    def state(self) -> dict[str, NDArray[Any]]:
        """Neighbours row by row with their similarities, and the order by popularity."""
        return {
            "offsets": self.similarity.indptr,
            "neighbours": self.similarity.indices,
            "similarities": self.similarity.data,
            "order": self.order,
        }


def nearest(similarity: Matrix, count: int) -> Matrix:
    """Each row with its `count` largest positive values only; of equal ones the first columns."""
    similarity = sparse.csr_array(similarity)
    row = np.repeat(np.arange(similarity.shape[0]), np.diff(similarity.indptr))
    order = np.lexsort((similarity.indices, -similarity.data, row))
    place = np.arange(len(order)) - similarity.indptr[row]  # `row` is sorted, and order keeps it
    kept = order[(place < count) & (similarity.data[order] > 0)]
    found = (similarity.data[kept], (row[kept], similarity.indices[kept]))
    return sparse.csr_array(found, shape=similarity.shape)

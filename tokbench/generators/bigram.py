"""What followed the last item in training, most often first; then what is popular.

Axes: N items, G distinct tuples, E distinct (item, next tuple) pairs, Q queries, B beams.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tokbench.api import Generator, GeneratorModel, Runtime
from tokbench.generators.popularity import Reals, classes_of, padded, ranked, smoothed_counts
from tokbench.types import Beams, Catalog, Codes, Histories, Ints, SemanticIds, Sequences


class Bigram(Generator):
    """A table of transitions, no learning: what a sequence model has to beat.

    Counts how often each tuple came right after each item in the training rows. With c(i, t)
    transitions from the last item i to the tuple t, n(i) from i in all, and the smoothed
    popularity p(t),

        P(t | i) = (c(i, t) + p(t)) / (n(i) + 1)

    which is a Dirichlet prior of one imaginary transition (MacKay & Peto 1995). As p(t) < 1, what
    followed comes first, by count, then popularity; what never followed comes after, by
    popularity. Scores are log P. Equal scores are put in an order drawn from the seed.
    """

    name: ClassVar[str] = "bigram"
    is_distribution = True

    def train(
        self,
        catalog: Catalog,
        histories: Histories,
        ids: SemanticIds,
        *,
        seed: int,
        runtime: Runtime,
    ) -> BigramModel:
        """Count transitions within the rows of `histories.train`; validation is not read."""
        tuples, member, _ = ids.groups()
        weights = smoothed_counts(histories.train, ids)
        order = ranked(weights, seed)
        place = np.argsort(order)  # of each tuple in the popularity order
        before, after = transitions(histories.train)
        pairs, counts = np.unique(before * len(tuples) + member[after], return_counts=True)
        item, follower = np.divmod(pairs, len(tuples))
        best_first = np.lexsort((place[follower], -counts, item))
        offsets = np.searchsorted(item, np.arange(len(ids) + 1))
        return BigramModel(ids, weights, order, offsets, follower[best_first], counts[best_first])

    def restore(self, state: Mapping[str, NDArray[Any]], ids: SemanticIds) -> BigramModel:
        """The table of transitions and the popularity behind it."""
        return BigramModel(ids, **state)


class BigramModel(GeneratorModel):
    """Followers of item i: `followers[offsets[i]:offsets[i + 1]]`, best first, with `counts`.

    `weights` [G] and `order` [G] are the popularity to fall back on.
    """

    def __init__(
        self,
        ids: SemanticIds,
        weights: Ints,
        order: Ints,
        offsets: Ints,
        followers: Ints,
        counts: Ints,
    ) -> None:
        self.ids, self.weights, self.order = ids, weights, order
        self.tuples, _, _ = ids.groups()
        self.offsets, self.followers, self.counts = offsets, followers, counts

    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        """Followers of each history's last item, then popular tuples."""
        last, row_of_query = np.unique(self._last_items(histories), return_inverse=True)
        chosen, scores = self._best(last, min(width, len(self.tuples)))
        return padded(self.tuples, chosen[row_of_query], scores[row_of_query], width)

    def log_likelihood(self, histories: Sequences, codes: Codes, *, runtime: Runtime) -> Reals:
        """log P(tuple | last item), [Q]; -inf for a tuple that no item has."""
        wanted, known = classes_of(self.ids, codes)
        last, bounds = self._last_items(histories), np.append(self.offsets, self.offsets[-1])
        shape = (len(self.offsets), len(self.tuples))  # the last row: what nothing follows
        table = sparse.csr_array((self.counts, self.followers, bounds), shape=shape)
        prior = self.weights[wanted] / self.weights.sum()
        count, total = table[last, wanted], table.sum(axis=1)[last]
        return np.where(known, np.log((count + prior) / (total + 1)), -np.inf)

    def state(self) -> dict[str, NDArray[Any]]:
        """The table and the popularity; the tuples follow from the codes."""
        return {
            name: getattr(self, name)
            for name in ("weights", "order", "offsets", "followers", "counts")
        }

    def _last_items(self, histories: Sequences) -> Ints:
        """[Q]; an empty history gets N, an item that nothing follows."""
        items = len(self.offsets) - 1
        last = np.full(len(histories), items)
        some = histories.lengths > 0
        last[some] = histories.items[histories.offsets[1:][some] - 1]
        return last

    def _best(self, items: Ints, width: int) -> tuple[Ints, Reals]:
        """The `width` best tuples after each of `items`, [items, width], and their log P."""
        bounds = np.append(self.offsets, self.offsets[-1])  # one more item, that nothing follows
        start, end = bounds[items], bounds[items + 1]
        at = start[:, None] + np.arange(width)
        there = at < end[:, None]
        followers = np.append(self.followers, 0)[np.where(there, at, -1)]
        counts = np.append(self.counts, 0)[np.where(there, at, -1)]
        # `width` popular ones are enough: each that is left out stands among the followers.
        popular = np.broadcast_to(self.order[:width], (len(items), width))
        row = np.arange(len(items))[:, None] * len(self.tuples)
        new = ~np.isin(row + popular, (row + followers)[there])
        first = np.argsort(~np.concatenate([there, new], axis=1), axis=1, kind="stable")[:, :width]
        chosen = np.take_along_axis(np.concatenate([followers, popular], axis=1), first, axis=1)
        count = np.take_along_axis(np.pad(counts, ((0, 0), (0, width))), first, axis=1)
        running = np.append(0, np.cumsum(self.counts))
        total = (running[end] - running[start])[:, None]
        prior = self.weights / self.weights.sum()
        return chosen, np.log((count + prior[chosen]) / (total + 1))


def transitions(rows: Sequences) -> tuple[Ints, Ints]:
    """(item, next item) for all neighbours within a row."""
    inside = np.ones(max(len(rows.items) - 1, 0), dtype=bool)
    ends = rows.offsets[1:-1]
    inside[ends[(ends > 0) & (ends < len(rows.items))] - 1] = False
    return rows.items[:-1][inside], rows.items[1:][inside]

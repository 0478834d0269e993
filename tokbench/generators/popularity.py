"""The most frequent tuples of the training interactions, the same for every history.

Axes: N items, G distinct tuples, Q queries, B beams, M levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tokbench.api import Generator, GeneratorModel, Runtime
from tokbench.scoring.placement import name_groups
from tokbench.types import Beams, Catalog, Codes, Histories, Ints, SemanticIds, Sequences

Reals = NDArray[np.float64]


class Popularity(Generator):
    """What is chosen most often, whatever the history: the floor of every table.

    A tuple's count is that of all its items together. Its score is its log-probability with one
    interaction added to every item (Laplace). Equal counts are put in an order drawn from the
    seed: catalogue order would tell the age of an item.
    """

    name: ClassVar[str] = "popularity"
    is_distribution = True

    def train(
        self,
        catalog: Catalog,
        histories: Histories,
        ids: SemanticIds,
        *,
        seed: int,
        runtime: Runtime,
    ) -> PopularityModel:
        """Count the tuples of `histories.train`; validation is not read."""
        weights = smoothed_counts(histories.train, ids)
        return PopularityModel(ids, weights, ranked(weights, seed))

    def restore(self, state: Mapping[str, NDArray[Any]], ids: SemanticIds) -> PopularityModel:
        """The counts and their order."""
        return PopularityModel(ids, state["weights"], state["order"])


class PopularityModel(GeneratorModel):
    """Tuples [G, M], their smoothed counts [G], and their order, most frequent first [G]."""

    def __init__(self, ids: SemanticIds, weights: Ints, order: Ints) -> None:
        self.ids, self.weights, self.order = ids, weights, order
        self.tuples, _, _ = ids.groups()

    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        """The same row for each history."""
        best = self.order[:width]
        scores = np.log(self.weights[best] / self.weights.sum())
        rows = (len(histories), len(best))
        return padded(
            self.tuples, np.broadcast_to(best, rows), np.broadcast_to(scores, rows), width
        )

    def log_likelihood(self, histories: Sequences, codes: Codes, *, runtime: Runtime) -> Reals:
        """log of the share of the smoothed counts, [Q]; -inf for a tuple that no item has."""
        wanted, known = classes_of(self.ids, codes)
        return np.where(known, np.log(self.weights[wanted] / self.weights.sum()), -np.inf)

    def state(self) -> dict[str, NDArray[Any]]:
        """Counts and order; the tuples follow from the codes."""
        return {"weights": self.weights, "order": self.order}


def classes_of(ids: SemanticIds, codes: Codes) -> tuple[Ints, NDArray[np.bool_]]:
    """Which of the distinct tuples of `ids` each of `codes` [Q, M] is, and whether it is one (0
    where not), [Q] each."""
    member, found = name_groups(ids, codes)
    known = found <= member.max()
    return np.where(known, found, 0), known


def smoothed_counts(train: Sequences, ids: SemanticIds) -> Ints:
    """Interactions with the items of each tuple, plus one per item, [G]."""
    _, member, sizes = ids.groups()
    return np.bincount(member[train.items], minlength=len(sizes)) + sizes


def ranked(weights: Ints, seed: int) -> Ints:
    """Indices by falling weight; equal weights in an order drawn from the seed."""
    chance = np.random.default_rng(seed).permutation(len(weights))
    return np.lexsort((chance, -weights))


def padded(tuples: Codes, chosen: Ints, scores: Reals, width: int) -> Beams:
    """Beams for rows of tuple indices [Q, B'], filled up to `width` with codes -1, score -inf."""
    missing = width - chosen.shape[1]
    codes = np.pad(tuples[chosen], ((0, 0), (0, missing), (0, 0)), constant_values=-1)
    filled = np.pad(scores, ((0, 0), (0, missing)), constant_values=-np.inf)
    return Beams(codes, filled.astype(np.float32))

"""Items that come together in training rows, nearer ones counting more.

Axes: N items, G distinct tuples, T training interactions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tokbench.api import Generator, Runtime, option
from tokbench.generators.neighbourhood import Matrix, Neighbourhood, nearest
from tokbench.types import Catalog, Histories, SemanticIds, Sequences


class ItemItem(Generator):
    """Co-occurrence in training rows, normalised as a cosine and summed over the history.

    Two items of one row, d places apart, count distance_decay^(d-1) from the earlier to the later
    and `backward` times that from the later to the earlier. With c(i, t) these counts from item i
    to the items of tuple t, and n interactions of an item or a tuple,

        s(i, t) = c(i, t) / (sqrt(n(i) n(t)) + shrink)

    which with distance_decay = backward = 1 and shrink = 0 is the cosine of two columns of the
    user-item matrix. No learning. Options were chosen on the validation users of office-5core
    alone (benchmarks/baseline_tuning).
    """

    name: ClassVar[str] = "item-item"
    citation: ClassVar[str] = (
        "Sarwar et al., Item-Based Collaborative Filtering Recommendation Algorithms, WWW 2001; "
        "Ludewig & Jannach, Evaluation of Session-based Recommendation Algorithms, UMUAI 2018 "
        "(counts by distance, weights by recency)"
    )
    deviations = (
        "counts fall with distance and are directed, and the similarity is shrunk; Sarwar et al. "
        "have the plain cosine (distance_decay=1, backward=1, shrink=0, recency=1)",
    )

    class Config(Generator.Config):
        """The defaults are tuned on validation; the plain cosine's are under `paper`."""

        distance_decay: float = option(
            0.8, gt=0.0, le=1.0, paper=1, description="weight of a pair per further place apart"
        )
        backward: float = option(
            0.5, ge=0.0, le=1.0, paper=1, description="weight of what came before an item"
        )
        shrink: float = option(
            10.0, ge=0.0, paper=0, description="added to the denominator: distrust of rare items"
        )
        neighbours: int = option(100, ge=1, description="neighbours kept of each item")
        window: int = option(50, ge=1, description="items of a history, last ones")
        recency: float = option(
            0.5, gt=0.0, le=1.0, paper=1, description="weight of a history's item per step back"
        )
        own_last: bool = option(
            False,
            description="propose what the history holds after all else: for data in which nobody "
            "takes an item twice. No other generator does, so it is off",
        )

    space = {
        "distance_decay": "0.5..1",
        "backward": "0..1",
        "shrink": "0..50",
        "neighbours": "20..400:log",
        "recency": "0.3..1",
    }

    config: Config

    def train(
        self,
        catalog: Catalog,
        histories: Histories,
        ids: SemanticIds,
        *,
        seed: int,
        runtime: Runtime,
    ) -> Neighbourhood:
        """Count pairs within the rows of `histories.train`; validation is not read."""
        config, train = self.config, histories.train
        counts = pair_counts(train, ids, config.distance_decay, config.backward)
        _, member, sizes = ids.groups()
        of_item = np.bincount(train.items, minlength=len(ids))
        of_tuple = np.bincount(member[train.items], minlength=len(sizes))
        pairs = counts.tocoo()
        norm = np.sqrt(of_item[pairs.row] * of_tuple[pairs.col]) + config.shrink
        cosine = sparse.csr_array((pairs.data / norm, (pairs.row, pairs.col)), shape=counts.shape)
        similarity = nearest(cosine, config.neighbours)
        return Neighbourhood.over(config, ids, similarity, train, seed)

    def restore(self, state: Mapping[str, NDArray[Any]], ids: SemanticIds) -> Neighbourhood:
        """The neighbours and the popularity behind them."""
        return Neighbourhood.restored(self.config, ids, state)


def pair_counts(train: Sequences, ids: SemanticIds, decay: float, backward: float) -> Matrix:
    """c(i, t), [N, G]: from each item to the tuples of the others in its rows, by distance."""
    tuples, member, _ = ids.groups()
    row = np.repeat(np.arange(len(train)), train.lengths)
    counts = sparse.csr_array((len(ids), len(tuples)))
    for distance in range(1, int(train.lengths.max(initial=0))):
        inside = row[:-distance] == row[distance:]
        before, after = train.items[:-distance][inside], train.items[distance:][inside]
        weight = np.full(len(before), decay ** (distance - 1))
        ahead = sparse.csr_array((weight, (before, member[after])), shape=counts.shape)
        behind = sparse.csr_array((weight * backward, (after, member[before])), shape=counts.shape)
        counts = counts + ahead + behind
    return counts

"""Items whose text is nearest to what was taken last: what content alone can say.

Axes: N items, D dimensions, G distinct tuples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tokbench.api import Generator, Runtime, batches, option
from tokbench.generators.neighbourhood import SCORES, Matrix, Neighbourhood
from tokbench.types import Catalog, Floats, Histories, SemanticIds


class ContentNeighbours(Generator):
    """Nearest items by cosine of the embeddings: no interactions but for the popularity behind.

    s(i, t) is the largest cosine of item i with an item of tuple t other than itself. It sees the
    very embeddings that tokenizers code, so a tokenizer with a good generator should beat it.
    Options were chosen on the validation users of office-5core alone
    (benchmarks/baseline_tuning).
    """

    name: ClassVar[str] = "content-neighbours"
    citation: ClassVar[str] = (
        "Lops, de Gemmis & Semeraro, Content-based Recommender Systems: State of the Art and "
        "Trends, Recommender Systems Handbook, 2011"
    )

    class Config(Generator.Config):
        """Which neighbours, and how much of the history asks for them."""

        neighbours: int = option(100, ge=1, description="neighbours kept of each item")
        window: int = option(1, ge=1, description="items of a history, last ones")
        recency: float = option(
            0.6, gt=0.0, le=1.0, description="weight of a history's item per step back"
        )
        own_last: bool = option(
            False,
            description="propose what the history holds after all else: for data in which nobody "
            "takes an item twice. No other generator does, so it is off",
        )

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
        """Find each item's neighbours; rows and validation are read for nothing else."""
        similarity = nearest_tuples(catalog.embeddings, ids, self.config.neighbours)
        return Neighbourhood.over(self.config, ids, similarity, histories.train, seed)

    def restore(self, state: Mapping[str, NDArray[Any]], ids: SemanticIds) -> Neighbourhood:
        """The neighbours and the popularity behind them."""
        return Neighbourhood.restored(self.config, ids, state)


def nearest_tuples(embeddings: Floats, ids: SemanticIds, count: int) -> Matrix:
    """s(i, t) where it is positive and among the `count` largest of item i, [N, G]."""
    tuples, member, _ = ids.groups()
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit = embeddings / np.maximum(length, np.finfo(np.float32).tiny)
    by_tuple = np.argsort(member, kind="stable")  # items of a tuple side by side
    first = np.searchsorted(member[by_tuple], np.arange(len(tuples)))
    count = min(count, len(tuples))
    blocks = []
    for rows in batches(len(ids), max(1, SCORES // len(ids))):
        cosine = unit[rows] @ unit.T
        own = np.arange(len(cosine))
        cosine[own, own + rows.start] = -1.0
        best = np.maximum.reduceat(cosine[:, by_tuple], first, axis=1)
        columns = np.argpartition(-best, count - 1, axis=1)[:, :count]
        values = np.maximum(np.take_along_axis(best, columns, axis=1), 0.0).astype(np.float64)
        row = np.repeat(own, count)
        shape = (len(own), len(tuples))
        blocks.append(sparse.csr_array((values.ravel(), (row, columns.ravel())), shape=shape))
    similarity = sparse.vstack(blocks, format="csr")
    similarity.eliminate_zeros()
    return similarity

"""The paper's generator, and the reference baselines."""

from __future__ import annotations

from tokbench.api import Generator, hookimpl


@hookimpl
def register_generators() -> list[type[Generator]]:
    """Built-in generators."""
    from tokbench.generators.bigram import Bigram
    from tokbench.generators.content_neighbours import ContentNeighbours
    from tokbench.generators.item_item import ItemItem
    from tokbench.generators.parallel import Parallel
    from tokbench.generators.popularity import Popularity
    from tokbench.generators.recent_popularity import QueryTimePopularity, RecentPopularity
    from tokbench.generators.rq_transformer import RqTransformer
    from tokbench.generators.sasrec import SasRec
    from tokbench.generators.tiger import Tiger

    return [
        Tiger,
        RqTransformer,
        Parallel,
        Popularity,
        RecentPopularity,
        QueryTimePopularity,
        Bigram,
        ItemItem,
        ContentNeighbours,
        SasRec,
    ]

"""The paper's tokenizers, registered through the hook that strangers use."""

from __future__ import annotations

from tokbench.api import Tokenizer, hookimpl


@hookimpl
def register_tokenizers() -> list[type[Tokenizer]]:
    """Built-in tokenizers."""
    from tokbench.tokenizers.cost import Cost
    from tokbench.tokenizers.hierarchical_kmeans import HierarchicalKMeans
    from tokbench.tokenizers.item_id import ItemId
    from tokbench.tokenizers.random import Random
    from tokbench.tokenizers.rqvae import RqVae
    from tokbench.tokenizers.table import Table

    return [Random, RqVae, Cost, HierarchicalKMeans, ItemId, Table]

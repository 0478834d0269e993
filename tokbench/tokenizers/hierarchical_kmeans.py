"""Hierarchical k-means: a code tuple is the path down a k-means tree (Sec. 2).

The other main technique beside residual quantization: RecForest (NeurIPS 2022), EAGER (KDD 2024),
DSI (NeurIPS 2022). Here in the shape of the other tokenizers: the items are split M - 1 times
among K children each, and the last level counts the items of a node, so every tuple is unique.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from tokbench import api
from tokbench.api import Runtime, Tokenizer, option
from tokbench.errors import ConfigError
from tokbench.types import Catalog, Codes, Floats, Ints, SemanticIds


class HierarchicalKMeans(Tokenizer):
    """Paths down a k-means tree over the embeddings."""

    name = "hierarchical-kmeans"
    version = 2
    citation = "Feng et al., RecForest, NeurIPS 2022; Wang et al., EAGER, KDD 2024"
    presets = {"balanced": {"balance": True}}

    class Config(api.Config):
        """The shape of the tree."""

        levels: int = option(3, symbol="M", ge=1, le=8, description="codes per item")
        codebook_size: int = option(64, symbol="K", ge=2, description="children of a node")
        balance: bool = option(
            False,
            description="split every node into children of equal size (give or take one); without "
            "it sizes are bounded only so that every item finds a leaf",
        )
        branching: Literal["full", "even"] = option(
            "full",
            description="full: K children wherever there are as many items; even: as many at "
            "every level as the catalogue needs, so that small ones use all levels",
        )

    config: Config

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        """Split the catalogue. Raises ConfigError when the tree has fewer leaves than items."""
        levels, size = self.config.levels, self.config.codebook_size
        if len(catalog) > size**levels:
            raise ConfigError(
                f"hierarchical-kmeans: {len(catalog)} items do not fit, levels={levels} of "
                f"codebook_size={size} make {size**levels} leaves (raise either)"
            )
        codes = np.zeros((len(catalog), levels), np.int32)
        nodes = [np.arange(len(catalog))]
        with runtime.progress.track("splitting the catalogue", total=levels) as advance:
            for level in range(levels - 1):
                nodes = self.split_all(nodes, codes, level, catalog.embeddings, seed)
                advance()
            for node in nodes:
                codes[node, -1] = np.arange(len(node))
            advance()
        return SemanticIds(codes, (size,) * levels)

    def split_all(
        self, nodes: list[Ints], codes: Codes, level: int, embeddings: Floats, seed: int
    ) -> list[Ints]:
        """The children of all nodes, largest first: side by side, so that none waits for the last
        and largest. A node alone has all the threads for itself."""
        from tokbench.nn.kmeans.threads import threads

        def work(node: Ints) -> list[Ints]:
            return self.split(node, codes, level, embeddings, seed)

        if len(nodes) == 1:
            children = work(nodes[0])
        else:
            with threads() as over:
                children = [child for found in over(work, nodes) for child in found]
        return sorted(children, key=len, reverse=True)

    def split(
        self, node: Ints, codes: Codes, level: int, embeddings: Floats, seed: int
    ) -> list[Ints]:
        """Write the code of each item of `node` at `level`, and return its non-empty children.

        A child may hold K^(levels below) items at most. Where k-means puts more into one, the
        surplus goes to the siblings that take it at the least added squared distance.
        """
        from tokbench.nn.kmeans.bounded import bounded_kmeans

        below = self.config.levels - 1 - level
        children = self.children(len(node), below)
        if children == 1:
            return [node]
        capacity = self.config.codebook_size**below
        lower, upper = 0, min(capacity, len(node))
        if self.config.balance:
            lower, upper = len(node) // children, -(-len(node) // children)
        points = embeddings if len(node) == len(embeddings) else embeddings[node]
        labels = bounded_kmeans(points, children, lower=lower, upper=upper, seed=seed)
        codes[node, level] = labels
        return [node[labels == child] for child in np.unique(labels)]

    def children(self, items: int, below: int) -> int:
        """Into how many children a node of so many items is split, with `below` levels below."""
        most = min(self.config.codebook_size, items)
        if self.config.branching == "full":
            return most
        even: float = float(items) ** (1 / (below + 1))  # the root, rounded so that 64 gives 4
        return min(most, math.ceil(round(even, 9)))

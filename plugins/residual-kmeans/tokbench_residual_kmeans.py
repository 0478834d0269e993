"""Residual k-means (RQ-KMeans): each level clusters what the levels before it left over.

Plain: Juang and Gray, ICASSP 1982; for items, GRID (arXiv 2507.22224). Balanced: every cluster
holds the same number of items, give or take `slack`, as in OneRec (arXiv 2502.18965, Algorithm 1)
and QARM (arXiv 2411.11739), so that all codes are used equally often.

Axes: N items, D embedding width, M levels, K codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import tokbench
from tokbench import Catalog, Runtime, SemanticIds, Tokenizer, hookimpl, option
from tokbench.types import Codes, Floats


@dataclass(frozen=True)
class Codebooks:
    """Centroids [M, K, D] and the codes [N, M] of the catalogue they were made from."""

    books: Floats
    codes: Codes

    def encode(self, embeddings: Floats) -> Codes:
        """Embeddings [N, D] to codes [N, M]: the nearest centroid, level by level.

        Items of the catalogue get `codes` again where clusters are not balanced; where they are,
        an item may have been moved to another cluster than the nearest.
        """
        from tokbench.nn.kmeans import nearest

        r, codes = embeddings, []
        for book in self.books:
            codes.append(nearest(r, book))
            r = r - book[codes[-1]]
        return np.stack(codes, axis=1).astype(np.int32)

    def decode(self, codes: Codes) -> Floats:
        """Codes [N, M] to the sums of their centroids, float32 [N, D]."""
        x_hat: Floats = self.books[np.arange(len(self.books)), codes].sum(axis=1)
        return x_hat


class ResidualKMeans(Tokenizer):
    """K-means of the embeddings, then of what each level leaves over."""

    name = "residual-kmeans"
    citation = (
        "Deng et al., OneRec, arXiv 2502.18965; Luo et al., QARM, arXiv 2411.11739 (balanced); "
        "Ju et al., GRID, CIKM 2025, arXiv 2507.22224 (plain)"
    )
    presets = {
        "balanced": {"balance": True},
        "paper": {"balance": True, "codebook_size": 8192},
        "minionerec": {"balance": True, "codebook_size": 256, "slack": 1},
        "grid": {"codebook_size": 256},
    }
    deviations = (
        "64 codes at each level, the shape of the other rows; the papers have 256 (GRID, "
        "MiniOneRec) to 8192 (OneRec)",
    )

    class Config(tokbench.Config):
        """The shape of the tuples, and how even the clusters are."""

        levels: int = option(3, ge=1, le=8, symbol="L", description="codes per item")
        codebook_size: int = option(
            64, ge=2, le=65536, symbol="K", paper=8192, description="codes at each level"
        )
        balance: bool = option(
            False, description="clusters of equal size: N / K items each, give or take `slack`"
        )
        slack: int = option(
            0, ge=0, description="items by which a balanced cluster may miss N / K, rounded"
        )

    config: Config

    def fit(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> Codebooks:
        """Cluster level by level; fewer distinct residuals than K leave codes without an item."""
        levels = self.config.levels
        r, books, codes = catalog.embeddings, [], []
        with runtime.progress.track("residual k-means", total=levels) as advance:
            for level in range(levels):
                book, labels = self.clusters(r, seed + level)
                books.append(book)
                codes.append(labels)
                r = r - book[labels]
                advance()
        return Codebooks(np.stack(books), np.stack(codes, axis=1))

    def clusters(self, r: Floats, seed: int) -> tuple[Floats, Codes]:
        """Centroids [K, D] of residuals r [N, D], and the cluster [N] of each."""
        from tokbench.nn.kmeans import bounded_kmeans, kmeans, means, nearest

        size = self.config.codebook_size
        if not self.config.balance:
            book = kmeans(r, size, seed=seed)
            return book, nearest(r, book).astype(np.int32)
        lower = max(len(r) // size - self.config.slack, 0)
        upper = -(-len(r) // size) + self.config.slack
        labels = bounded_kmeans(r, size, lower=lower, upper=upper, seed=seed)
        spare = np.broadcast_to(r.mean(axis=0), (size, r.shape[1]))  # of clusters without an item
        return means(r, labels, spare), labels.astype(np.int32)

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        """The clusters that the items are in."""
        found = self.fit(catalog, seed=seed, runtime=runtime)
        runtime.keep(parameters=found.books.size, decode=found.decode)
        return SemanticIds(found.codes, (self.config.codebook_size,) * self.config.levels)


@hookimpl
def register_tokenizers() -> list[type[Tokenizer]]:
    """What this package offers."""
    return [ResidualKMeans]

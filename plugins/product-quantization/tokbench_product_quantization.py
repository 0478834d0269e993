"""Product quantization: the embedding cut into M parts, each with a codebook of its own.

PQ: Jegou, Douze and Schmid, TPAMI 2011. OPQ rotates the embeddings first, so that the parts carry
alike much and depend little on each other: Ge, He, Ke and Sun, CVPR 2013. As semantic IDs: RPG
(Hou et al., KDD 2025, arXiv 2506.05781), with faiss, which learns the rotation here too. The codes
of a tuple are unordered: none refines another.

Axes: N items, D embedding width, M levels (parts), K codes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

import tokbench
from tokbench import Catalog, Runtime, SemanticIds, Tokenizer, hookimpl, option
from tokbench.errors import ConfigError
from tokbench.types import Codes, Floats


@dataclass(frozen=True)
class Quantizer:
    """What comes before the cut (centre, projection) and the codebooks [M, K, D' / M] after it."""

    center: Floats  # [D]
    projection: Floats  # [D, D']
    books: Floats

    def encode(self, embeddings: Floats) -> Codes:
        """Embeddings [N, D] to codes [N, M]: the nearest centroid of every part."""
        from tokbench.nn.kmeans import nearest

        x = np.asarray((embeddings - self.center) @ self.projection, np.float32)
        parts = np.split(x, len(self.books), axis=1)
        codes = [nearest(part, book) for part, book in zip(parts, self.books, strict=True)]
        return np.stack(codes, axis=1).astype(np.int32)

    def decode(self, codes: Codes) -> Floats:
        """Codes [N, M] to their centroids side by side, projected back, float32 [N, D]."""
        parts = [book[code] for book, code in zip(self.books, codes.T, strict=True)]
        back = np.linalg.pinv(self.projection.astype(np.float64))
        return (np.concatenate(parts, axis=1) @ back + self.center).astype(np.float32)

    @property
    def parameters(self) -> int:
        """How many numbers were learnt."""
        return self.center.size + self.projection.size + self.books.size


class ProductQuantization(Tokenizer):
    """The embedding in M parts, each clustered on its own; the codes have no order."""

    name = "product-quantization"
    citation = (
        "Jegou et al., Product quantization, TPAMI 2011; Ge et al., OPQ, CVPR 2013; "
        "Hou et al., RPG, KDD 2025, arXiv 2506.05781"
    )
    presets = {
        "pq": {"rotate": False},
        "opq": {"rotate": True},
        "paper": {"rotate": True, "levels": 32, "bits": 8},
    }
    deviations = (
        "3 parts of 64 codes, the shape of the other rows; RPG has 16 to 64 parts of 256",
        "all items are learnt from; RPG leaves out those that no training sequence contains",
    )

    class Config(tokbench.Config):
        """The shape of the tuples, and what comes before the cut."""

        levels: int = option(
            3, ge=1, le=64, symbol="m", paper=32, description="codes per item: parts of the cut"
        )
        bits: int = option(6, ge=1, le=12, paper=8, description="2^bits codes at each level")
        rotate: bool = option(
            True, description="OPQ: learn a rotation before the cut; without it, plain PQ"
        )
        pca: int = option(
            0,
            ge=0,
            description="before everything, whiten the embeddings by PCA to so many dimensions, "
            "as RPG does; 0 leaves them as they are",
        )

    config: Config

    def fit(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> Quantizer:
        """Learn rotation and codebooks. Raises ConfigError where `pca` asks for too much."""
        from tokbench.nn.kmeans import kmeans

        center, whitening = self.whitening(catalog.embeddings)
        width = whitening.shape[1]
        whole = self.config.levels * math.ceil(width / self.config.levels)
        projection = np.pad(whitening, ((0, 0), (0, whole - width)))  # parts of equal width
        x = np.ascontiguousarray((catalog.embeddings - center) @ projection, np.float32)
        if self.config.rotate:
            rotation = self.rotation(x, seed)
            x, projection = x @ rotation, projection @ rotation
        parts = np.split(x, self.config.levels, axis=1)
        books = [
            kmeans(np.ascontiguousarray(part), 2**self.config.bits, seed=seed + level)
            for level, part in enumerate(parts)
        ]
        return Quantizer(center, projection.astype(np.float32), np.stack(books))

    def whitening(self, embeddings: Floats) -> tuple[Floats, Floats]:
        """The centre [D], and the projection [D, D'] onto whitened principal components."""
        count, width = embeddings.shape
        if not self.config.pca:
            return np.zeros(width, np.float32), np.eye(width, dtype=np.float32)
        if self.config.pca >= min(count, width + 1):
            raise ConfigError(
                f"{self.name}: pca={self.config.pca} is too much for {count} items of width "
                f"{width} (set tokenizer.pca to {min(count - 1, width)} or less)"
            )
        from sklearn.decomposition import PCA

        found = PCA(self.config.pca, svd_solver="full").fit(embeddings)
        scale = np.sqrt(np.maximum(found.explained_variance_, np.finfo(np.float32).eps))
        whitening = (found.components_ / scale[:, None]).T
        return found.mean_.astype(np.float32), whitening.astype(np.float32)

    def rotation(self, x: Floats, seed: int) -> Floats:
        """[D', D'] the rotation that OPQ finds for x [N, D'], to be applied from the right."""
        import faiss

        width = x.shape[1]
        inner = faiss.ProductQuantizer(width, self.config.levels, self.config.bits)
        inner.cp.seed = seed % 2**31
        inner.cp.min_points_per_centroid = 1  # a small catalogue is no reason for a warning
        learner = faiss.OPQMatrix(width, self.config.levels)
        learner.pq = inner
        learner.train(np.resize(x, (max(len(x), 2**self.config.bits), width)))
        rotation: Floats = learner.apply(np.eye(width, dtype=np.float32))
        return rotation

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        """Learn on the catalogue and code it."""
        found = self.fit(catalog, seed=seed, runtime=runtime)
        codes = found.encode(catalog.embeddings)
        runtime.keep(parameters=found.parameters, decode=found.decode)
        return SemanticIds(codes, (2**self.config.bits,) * self.config.levels)


@hookimpl
def register_tokenizers() -> list[type[Tokenizer]]:
    """What this package offers."""
    return [ProductQuantization]

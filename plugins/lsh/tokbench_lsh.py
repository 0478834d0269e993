"""Locality-sensitive hashing: the untrained baseline of TIGER (Rajput et al., NeurIPS 2023).

Code m of an item is read off h random hyperplanes of its own: bit i says on which side of
hyperplane i the embedding lies, c_m = sum_i 2^(i-1) [w_i . x > 0] (arXiv 2305.05065, the section
on semantic ID ablations). Levels are independent, so the tuple has no hierarchy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import tokbench
from tokbench import Catalog, Runtime, SemanticIds, Tokenizer, hookimpl, option
from tokbench.types import Codes, Floats


@dataclass(frozen=True)
class Hyperplanes:
    """M groups of h hyperplanes through one point: normals [M, h, D], point [D]."""

    normals: NDArray[np.float64]
    point: NDArray[np.float64]

    def encode(self, embeddings: Floats) -> Codes:
        """Embeddings [N, D] to codes [N, M] in [0, 2^h)."""
        sides = np.einsum("nd,mhd->nmh", embeddings - self.point, self.normals, optimize=True) > 0
        worth = 2 ** np.arange(sides.shape[2], dtype=np.int32)
        return np.asarray(sides @ worth, np.int32)


class Lsh(Tokenizer):
    """On which side of random hyperplanes an item lies, h bits to a code."""

    name = "lsh"
    citation = "Rajput et al., TIGER, NeurIPS 2023, arXiv 2305.05065 (LSH semantic IDs)"
    presets = {"paper": {"levels": 4, "hyperplanes": 8}, "centered": {"center": True}}
    deviations = (
        "3 levels of 6 hyperplanes, so 64 codes each, the shape of the other rows; the paper has 4 "
        "of 8 (preset paper)",
    )

    class Config(tokbench.Config):
        """The shape of the tuples."""

        levels: int = option(
            3, ge=1, le=16, symbol="m", paper=4, description="codes per item: groups of hyperplanes"
        )
        hyperplanes: int = option(
            6, ge=1, le=16, symbol="h", paper=8, description="bits of a code: 2^h codes per level"
        )
        center: bool = option(
            False,
            description="hyperplanes pass through the embeddings' mean instead of the origin: "
            "text embeddings share a large mean, which leaves many hyperplanes with all items on "
            "one side",
        )

    config: Config

    def fit(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> Hyperplanes:
        """Draw the hyperplanes; the catalogue gives their width, and their point if centred."""
        width = catalog.embeddings.shape[1]
        shape = (self.config.levels, self.config.hyperplanes, width)
        normals = np.random.default_rng(seed).normal(size=shape)
        point = catalog.embeddings.mean(axis=0, dtype=np.float64)
        return Hyperplanes(normals, point if self.config.center else np.zeros(width))

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        """Read the bits of every item."""
        codes = self.fit(catalog, seed=seed, runtime=runtime).encode(catalog.embeddings)
        return SemanticIds(codes, (2**self.config.hyperplanes,) * self.config.levels)


@hookimpl
def register_tokenizers() -> list[type[Tokenizer]]:
    """What this package offers."""
    return [Lsh]

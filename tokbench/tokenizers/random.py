"""Random hashing: the baseline whose code tuples carry no semantics (Sec. 4.2).

Every level is the hash of the item's id, so the codes of an item depend on nothing but its id, the
seed and the shape. With `unique`, items draw again until their tuple is free: the gap between the
two is the effect of collisions alone.
"""

from __future__ import annotations

import hashlib

import numpy as np

from tokbench import api
from tokbench.api import Runtime, Tokenizer, option
from tokbench.errors import ConfigError
from tokbench.types import Catalog, SemanticIds


class Random(Tokenizer):
    """Code tuples drawn at random, uniform at every level."""

    name = "random"
    citation = "Zhu et al., CoST, RecSys 2024, doi 10.1145/3640457.3688178 (random hashing)"
    presets = {"unique": {"unique": True}}

    class Config(api.Config):
        """The shape of the codes, and whether two items may share one."""

        levels: int = option(3, symbol="M", ge=1, le=16, description="codes per item")
        codebook_size: int = option(64, symbol="K", ge=2, description="codes at each level")
        unique: bool = option(
            False, description="no two items share a tuple: drawn without replacement from K^M"
        )

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        """Hash every item id. Raises ConfigError when unique tuples do not suffice."""
        levels, size = self.config.levels, self.config.codebook_size
        if self.config.unique and len(catalog) > size**levels:
            raise ConfigError(
                f"random: {len(catalog)} items cannot have unique tuples, levels={levels} of "
                f"codebook_size={size} make {size**levels} (raise either)"
            )
        tuples: list[tuple[int, ...]] = []
        taken: set[tuple[int, ...]] = set()
        for item in catalog.item_ids:
            draw = 0
            codes = hashed_codes(item, seed, draw, levels, size)
            while self.config.unique and codes in taken:
                draw += 1
                codes = hashed_codes(item, seed, draw, levels, size)
            taken.add(codes)
            tuples.append(codes)
        return SemanticIds(np.array(tuples, np.int32), (size,) * levels)


def hashed_codes(item: str, seed: int, draw: int, levels: int, size: int) -> tuple[int, ...]:
    """One code in [0, size) per level, from 8 bytes of digest each.

    64 bits modulo `size` is uniform but for a bias below size / 2^64.
    """
    return tuple(
        int.from_bytes(
            hashlib.blake2b(f"{seed} {draw} {level} {item}".encode(), digest_size=8).digest()
        )
        % size
        for level in range(levels)
    )

"""One code per item: the vocabulary of ordinary sequential recommenders, as a reference row."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tokbench.api import Runtime, Tokenizer
from tokbench.types import Catalog, SemanticIds


class ItemId(Tokenizer):
    """Item n has the single code n: M = 1, K = N, no meaning and no collisions.

    What a generator reaches with these codes is what it reaches without semantic IDs, and
    count-based generators rank items exactly.
    """

    name: ClassVar[str] = "item-id"
    deterministic: ClassVar[bool] = True

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        """Codes 0..N-1 in catalogue order; the seed is not used."""
        n = len(catalog)
        return SemanticIds(np.arange(n, dtype=np.int32)[:, None], (n,))

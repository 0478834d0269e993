"""The item-id tokenizer: one code per item."""

from __future__ import annotations

import numpy as np

from tokbench.api import Runtime
from tokbench.tokenizers.item_id import ItemId
from tokbench.types import Catalog


def test_item_n_has_the_single_code_n() -> None:
    names = tuple(f"item-{n}" for n in range(7))
    catalog = Catalog(names, names, np.zeros((7, 2), np.float32))
    ids = ItemId().tokenize(catalog, seed=0, runtime=Runtime())
    assert ids.codes.tolist() == [[n] for n in range(7)]
    assert ids.level_sizes == (7,)
    assert ids.digest() == ItemId().tokenize(catalog, seed=1, runtime=Runtime()).digest()

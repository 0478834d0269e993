"""How often two items stand near each other in the same sequence.

Axes: N items, T interactions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array


def cooccurrences(
    offsets: NDArray[np.int64], items: NDArray[np.int64], count: int, *, window: int
) -> csr_array:
    """Symmetric counts [N, N], N = `count`, of pairs of different items at most `window` apart.

    Sequences in CSR form: row q is items[offsets[q]:offsets[q + 1]]; no pair spans two of them.
    """
    row = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    pairs = []
    for apart in range(1, window + 1):
        same = row[apart:] == row[:-apart]
        pairs.append(np.stack([items[:-apart][same], items[apart:][same]]))
    one, two = np.concatenate(pairs, axis=1)
    one, two = one[one != two], two[one != two]
    counts = coo_array((np.ones(len(one)), (one, two)), shape=(count, count)).tocsr()
    return csr_array(counts + counts.T)

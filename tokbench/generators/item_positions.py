"""What generators share that read one position per item: windows to train on, histories to read.

Axes: Q queries, L places of the longest (START and items).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tokbench.types import Ints, Sequences

if TYPE_CHECKING:
    from torch import Tensor

PLACES = 2**14  # places of a micro-batch in inference


class Reading(NamedTuple):
    """Histories that are read in one pass."""

    rows: Ints  # [Q] of the histories
    inputs: Tensor  # [Q, L] classes, padded on the right with START
    last: Tensor  # [Q] the place of the newest item


def readings(
    histories: Sequences, classes: Ints, *, start: int, items: int, at_once: int
) -> Iterator[Reading]:
    """START and the last `items` of every history, histories of near length together.

    `classes` [N] is the class of each item, `start` START's; at most `at_once` histories a pass.
    """
    import torch

    from tokbench.nn.transformer.windows import pack

    kept = np.minimum(histories.lengths, items)
    padded = np.append(classes[histories.items], start)
    for group in pack(1 + kept, budget=PLACES, overhead=PLACES // 8):
        for rows in np.array_split(group, -(-len(group) // max(1, at_once))):
            at = np.arange(int(kept[rows].max(initial=0)))
            first = (histories.offsets[rows + 1] - kept[rows])[:, None]
            inputs = padded[np.where(at < kept[rows][:, None], first + at, -1)]
            begun = np.concatenate([np.full((len(rows), 1), start), inputs], axis=1)
            yield Reading(rows, torch.from_numpy(begun), torch.from_numpy(kept[rows]))


def passes(windows: int, *, batch_size: int, epochs: int, minimum_steps: int) -> int:
    """Over the data in an epoch, so that training makes `minimum_steps`. A thousand users are eight
    steps: twenty such epochs would end soon after the warm-up."""
    return max(1, math.ceil(minimum_steps / (epochs * math.ceil(windows / batch_size))))

"""What generators share that read one position per item: windows to train on, histories to read.

Axes: Q queries, L places of the longest (START and items).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from tokbench.errors import ConfigError
from tokbench.types import Ints, Sequences

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tokbench.nn.transformer.windows import Windows

PLACES = 2**14  # places of a micro-batch in inference
SCORES = 2**24  # in a CPU's matrix of a score for every class: 64 MiB


def check_heads(generator: str, width: int, heads: int) -> None:
    """Raises ConfigError for heads that do not share the width."""
    if width % heads:
        raise ConfigError(
            f"{generator}: width {width} is not a multiple of heads {heads}; "
            f"set {generator}.width or {generator}.heads"
        )


def histories_at_once(classes: int) -> int:
    """Histories of a pass that scores every class."""
    return max(1, SCORES // classes)


def places_at_once(budgets: Mapping[str, int], scores: int, device: str) -> int:
    """Places of a micro-batch in training that has so many scores at each; `budgets` has the most
    of "cpu" and of "cuda"."""
    from tokbench.nn.devices import on_cuda, tokens_at_once

    budget = tokens_at_once(budgets, scores, device)
    return budget if on_cuda(device) else max(1, min(budget, SCORES // scores))


def last_states(
    network: nn.Module,
    histories: Sequences,
    classes: Ints,
    *,
    start: int,
    items: int,
    at_once: int,
    device: str,
) -> Iterator[tuple[Ints, Tensor]]:
    """Rows of histories of near length, and the network's hidden state at the end of each [Q, d].

    It reads START and the last `items` of every history, padded on the right with START. `classes`
    [N] is the class of each item, `start` START's; at most `at_once` histories a pass.
    """
    import torch

    from tokbench.nn.devices import sent
    from tokbench.nn.transformer.windows import pack

    network.to(device).eval()
    kept = np.minimum(histories.lengths, items)
    padded = np.append(classes[histories.items], start)
    for group in pack(1 + kept, budget=PLACES, overhead=PLACES // 8):
        for rows in np.array_split(group, -(-len(group) // max(1, at_once))):
            at = np.arange(int(kept[rows].max(initial=0)))
            first = (histories.offsets[rows + 1] - kept[rows])[:, None]
            inputs = padded[np.where(at < kept[rows][:, None], first + at, -1)]
            begun = np.concatenate([np.full((len(rows), 1), start), inputs], axis=1)
            with torch.no_grad():
                hidden = network(sent(begun, device))
            yield rows, hidden[torch.arange(len(rows), device=device), sent(kept[rows], device)]


def repeated(windows: Windows, *, batch_size: int, epochs: int, minimum_steps: int) -> Windows:
    """The windows as often as training needs them in an epoch, to make `minimum_steps`."""
    times = passes(len(windows), batch_size=batch_size, epochs=epochs, minimum_steps=minimum_steps)
    parts = (windows.start, windows.stop, windows.first)
    return type(windows)(*(np.tile(part, times) for part in parts))


def passes(windows: int, *, batch_size: int, epochs: int, minimum_steps: int) -> int:
    """Over the data in an epoch, so that training makes `minimum_steps`. A thousand users are eight
    steps: twenty such epochs would end soon after the warm-up."""
    return max(1, math.ceil(minimum_steps / (epochs * math.ceil(windows / batch_size))))

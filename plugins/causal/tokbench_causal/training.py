"""Training of the decoder-only network: windows as token rows, the loss, the epochs.

Axes: B windows of a chunk, L items of its longest, M levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tokbench.nn.training.seq2seq import Recipe, learning_rate
from tokbench.nn.transformer.packing import IGNORED, Ints, Windows, pack
from tokbench.nn.transformer.t5 import START
from tokbench_causal.network import Network


class Rows:
    """Windows over `items` as rows of tokens; `tokens` [N, M] are the tokens of each item."""

    def __init__(self, items: Ints, tokens: Ints, *, budget: int, device: str) -> None:
        self.items, self.budget, self.device = items, budget, device
        self.levels = tokens.shape[1]
        self.tokens = torch.from_numpy(tokens).to(device)

    def chunks(self, windows: Windows, rows: Ints) -> Iterator[tuple[Tensor, Tensor]]:
        """(inputs, labels), each [B, L * M], of windows grouped by near length.

        Every token of a supervised item is a label once an epoch. A sequence's first item is one
        too: it follows START alone, which is how an empty history is continued.
        """
        lengths = windows.lengths[rows] * self.levels
        for group in pack(lengths, budget=self.budget, overhead=self.budget // 16):
            yield self.chunk(windows, rows[group])

    def chunk(self, windows: Windows, rows: Ints) -> tuple[Tensor, Tensor]:
        """The windows `rows`, padded on the right to their longest."""
        length, first = windows.lengths[rows][:, None], windows.first[rows][:, None]
        at = np.arange(int(length.max()))
        inside = at < length
        items = self.items[np.where(inside, windows.start[rows][:, None] + at, 0)]
        labels = self.tokens[torch.from_numpy(items).to(self.device)]  # [B, L, M]
        inputs = F.pad(labels.flatten(1), (1, 0), value=START)[:, :-1]
        supervised = inside & (at >= np.where(first == 1, 0, first))
        hidden = torch.from_numpy(~supervised).to(self.device).unsqueeze(-1)
        return inputs, labels.masked_fill(hidden, IGNORED).flatten(1)


def summed_loss(
    network: Network, inputs: Tensor, labels: Tensor, *, smoothing: float = 0.0
) -> tuple[Tensor, int]:
    """Cross-entropy over the whole vocabulary, summed over the labels; their number."""
    with torch.autocast("cuda", dtype=torch.bfloat16, enabled=inputs.is_cuda):
        kept = labels != IGNORED
        logits, wanted = network.logits(network(inputs)[kept]), labels[kept]
        loss = F.cross_entropy(logits, wanted, reduction="sum", label_smoothing=smoothing)
    return loss, len(wanted)


def train_epochs(
    network: Network,
    rows: Rows,
    windows: Windows,
    recipe: Recipe,
    *,
    rng: np.random.Generator,
    after_epoch: Callable[[int, float], bool],
    after_batch: Callable[[int, float], None],
) -> None:
    """AdamW over shuffled batches of windows, until `after_epoch(epoch, mean loss)` says stop.

    A step follows the mean gradient over the labels of its batch. Dropout draws from torch's
    global generator, the order of the windows from `rng`.
    """
    weights = list(network.parameters())
    optimizer = torch.optim.AdamW(
        weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    per_epoch = -(-len(windows) // recipe.batch_size)
    step, steps = 0, per_epoch * recipe.epochs
    for epoch in range(1, recipe.epochs + 1):
        network.train()
        summed, labels = 0.0, 0
        for batch in np.array_split(rng.permutation(len(windows)), per_epoch):
            step += 1
            optimizer.param_groups[0]["lr"] = learning_rate(recipe, step, steps)
            optimizer.zero_grad(set_to_none=True)
            total, count = 0.0, 0
            for chunk in rows.chunks(windows, batch):
                loss, number = summed_loss(network, *chunk, smoothing=recipe.label_smoothing)
                torch.autograd.backward(loss)
                total, count = total + float(loss.detach()), count + number
            torch._foreach_div_([w.grad for w in weights if w.grad is not None], float(count))
            optimizer.step()
            summed, labels = summed + total, labels + count
            after_batch(len(batch), total / count)
        if after_epoch(epoch, summed / labels):
            return

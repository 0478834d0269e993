"""All codes of the next item at once: one head per level, normalised over the tuples that exist.

Hou et al., Generating Long Semantic IDs in Parallel for Recommendation (RPG), KDD 2025,
arXiv 2506.05781: each level's code is predicted from the history alone, by a head of its own. The
score of a tuple is the sum of its codes' scores, so all G tuples are scored exactly, without beams.

Axes as in `items`, and K codes of a level, W tuples asked for.

    u_m     [P, d]     = norm(head_m(hidden))
    s       [P, G]     = sum_m u_m @ write[code m of the tuple]
    p       [P, G]     = softmax of s over the tuples

A softmax over each level's codes, as RPG has it, divides by the same number for every tuple, so p
is also its distribution once what does not exist is left out.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tokbench.nn.transformer.items import FeedForward, ItemTransformer
from tokbench.nn.transformer.sasrec import INITIAL_STD

Objective = Literal["tuples", "levels"]


class ParallelHeads(ItemTransformer):
    """An ItemTransformer with a head per level."""

    def __init__(
        self,
        tuples: NDArray[np.int32],
        level_sizes: tuple[int, ...],
        *,
        width: int,
        objective: Objective,
        **shape: Any,
    ) -> None:
        super().__init__(tuples, level_sizes, width=width, **shape)
        self.objective = objective
        self.heads = nn.ModuleList(
            FeedForward(width, 2 * width, self.rate, 2**-0.5) for _ in level_sizes
        )
        self.head_norm = nn.LayerNorm(width, bias=False)

    def add_tables(self, vocabulary: int, width: int) -> None:
        """Codes as they are written."""
        self.write = nn.Parameter(torch.randn(vocabulary, width) * INITIAL_STD)

    def logits(self, hidden: Tensor) -> list[Tensor]:
        """Hidden states [P, d] to a score for each code of each level, M times [P, K]."""
        tables = torch.split(self.write, list(self.level_sizes))
        heads = zip(self.heads, tables, strict=True)
        return [self.head_norm(head(hidden)) @ table.T for head, table in heads]

    def log_all(self, hidden: Tensor) -> Tensor:
        """log p of every class, [P, d] to [P, G]."""
        # Codes come first, so that what is gathered are whole rows.
        by_code = torch.cat(self.logits(hidden), 1).T.contiguous()  # [V, P]
        return F.embedding_bag(self.tokens[:-1], by_code, mode="sum").T.log_softmax(1)

    def log_p(self, hidden: Tensor, classes: Tensor) -> Tensor:
        """log p of each class given its hidden state: [P, d] and [P] to [P]."""
        return self.log_all(hidden).gather(1, classes[:, None])[:, 0]

    def loss(self, hidden: Tensor, classes: Tensor) -> Tensor:
        """-log p [P], of the tuples among all tuples or of each code among its level's."""
        if self.objective == "tuples":
            return super().loss(hidden, classes)
        tokens, base = self.tokens[classes], 0
        total = hidden.new_zeros(len(hidden))
        for m, logits in enumerate(self.logits(hidden)):
            total = total + F.cross_entropy(logits, tokens[:, m] - base, reduction="none")
            base += logits.shape[1]
        return total

    @torch.inference_mode()
    def search(self, hidden: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """The `width` likeliest classes after each hidden state [B, d], best first: classes and
        log p, [B, width] each; -1 and -inf where there are no more."""
        found = self.log_all(hidden).topk(min(width, len(self.tokens) - 1))
        missing = (0, width - found.values.shape[1])
        scores = F.pad(found.values, missing, value=-float("inf"))
        return F.pad(found.indices, missing, value=-1), scores

"""The RQ-Transformer over items: one position per item, then its codes one after the other.

Lee et al., Autoregressive Image Generation using Residual Quantization, CVPR 2022,
arXiv 2203.01941: a causal "spatial" Transformer reads one vector per position, the sum of its code
embeddings, and a small "depth" network writes the M codes of the next position.

Axes as in `items`, and K codes of a level, W beams, C most children of a prefix.

    u_m     [P, d]     = norm(depth_m(hidden + sum_{j<m} past[code j]))
    p(c_m | c_<m)      = softmax of u_m @ write_m.T over the codes that follow c_<m in some tuple

The probabilities of all tuples therefore sum to one: nothing is spent on tuples that do not exist.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tokbench.nn.transformer.beam import PrefixTree, children
from tokbench.nn.transformer.items import FeedForward, ItemTransformer, constant
from tokbench.nn.transformer.sasrec import INITIAL_STD


class RqTransformer(ItemTransformer):
    """An ItemTransformer with a depth network."""

    def __init__(
        self, tuples: NDArray[np.int32], level_sizes: tuple[int, ...], *, width: int, **shape: Any
    ) -> None:
        super().__init__(tuples, level_sizes, width=width, **shape)
        tokens = self.tokens[:-1].numpy()
        tree = PrefixTree.of(tokens)
        self.fanout = tree.fanout
        for m, (first, token) in enumerate(zip(tree.first, tree.token, strict=True)):
            constant(self, f"first{m}", first)
            constant(self, f"token{m}", token)
            changed = np.any(tokens[1:, :m] != tokens[:-1, :m], axis=1)
            constant(self, f"node{m}", torch.from_numpy(np.append(0, np.cumsum(changed))))
        self.depth = nn.ModuleList(
            FeedForward(width, 2 * width, self.rate, 2**-0.5) for _ in level_sizes
        )
        self.depth_norm = nn.LayerNorm(width, bias=False)

    def add_tables(self, vocabulary: int, width: int) -> None:
        """Codes as they are read once written, and as they are written."""
        self.past = nn.Parameter(torch.randn(vocabulary, width) / width)
        self.write = nn.Parameter(torch.randn(vocabulary, width) * INITIAL_STD)

    @property
    def tree(self) -> PrefixTree:
        """All prefixes, where the weights are."""
        levels = range(len(self.level_sizes))
        first = tuple(cast(Tensor, getattr(self, f"first{m}")) for m in levels)
        token = tuple(cast(Tensor, getattr(self, f"token{m}")) for m in levels)
        return PrefixTree(first, token, self.fanout)

    def log_p(self, hidden: Tensor, classes: Tensor) -> Tensor:
        """log p of each class given its hidden state: [P, d] and [P] to [P]."""
        tokens, tree, base = self.tokens[classes], self.tree, 0
        so_far, total = torch.zeros_like(hidden), hidden.new_zeros(len(hidden))
        for m, size in enumerate(self.level_sizes):
            node = cast(Tensor, getattr(self, f"node{m}"))[classes]
            logits = self.logits(hidden, so_far, m)
            logits = logits.masked_fill(absent(tree, m, node, base, size), -math.inf)
            total = total - F.cross_entropy(logits, tokens[:, m] - base, reduction="none")
            so_far = so_far + self.embed(tokens[:, m], self.past)
            base += size
        return total

    def logits(self, hidden: Tensor, so_far: Tensor, m: int) -> Tensor:
        """A score for each code of level m: hidden and the sum of the codes so far, [..., d] each,
        to [..., K]."""
        x = hidden + self.drop(so_far) if m else hidden
        start = sum(self.level_sizes[:m])
        table = self.write[start : start + self.level_sizes[m]]
        return self.depth_norm(self.depth[m](x)) @ table.T  # type: ignore[no-any-return]

    @torch.inference_mode()
    def search(self, hidden: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """The `width` likeliest classes after each hidden state [B, d], best first: classes and
        log p, [B, width] each; -1 and -inf where there are no more."""
        tree, base = self.tree, 0
        node = torch.zeros(len(hidden), 1, dtype=torch.int64, device=hidden.device)
        score = torch.zeros(len(hidden), 1, device=hidden.device)
        so_far = torch.zeros_like(hidden).unsqueeze(1)  # [B, W, d]
        for m, size in enumerate(self.level_sizes):
            first, token, fanout = tree.first[m], tree.token[m], tree.fanout[m]
            child, real = children(first, node, fanout, len(token))
            logits = self.logits(hidden.unsqueeze(1), so_far, m)
            found = logits.gather(2, token[child] - base).masked_fill(~real, -math.inf)
            total = (score.unsqueeze(-1) + found.log_softmax(-1)).masked_fill(~real, -math.inf)
            score, best = total.flatten(1).topk(min(width, total[0].numel(), len(token)))
            node = child.flatten(1).gather(1, best)
            parent = best.div(fanout, rounding_mode="floor").unsqueeze(-1)
            earlier = so_far.gather(1, parent.expand(-1, -1, so_far.shape[-1]))
            so_far = earlier + self.embed(token[node], self.past)
            base += size
        missing = (0, width - node.shape[1])
        node = node.masked_fill(score == -math.inf, -1)
        return F.pad(node, missing, value=-1), F.pad(score, missing, value=-math.inf)


def absent(tree: PrefixTree, m: int, node: Tensor, base: int, size: int) -> Tensor:
    """Which codes of level m do not follow a prefix: nodes [P] to [P, K]."""
    child, real = children(tree.first[m], node, tree.fanout[m], len(tree.token[m]))
    code = torch.where(real, tree.token[m][child] - base, size)  # what is not real goes beside
    gone = torch.ones(len(node), size + 1, dtype=torch.bool, device=node.device)
    return gone.scatter_(1, code, False)[:, :size]

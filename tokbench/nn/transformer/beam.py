"""Beam search over the code tuples that exist, with tensors only: no Python per beam or per user.

The tuples form a tree of prefixes, kept in CSR form: the children of a node lie side by side in the
next level, so a beam is one integer (its node), and its candidates are a range of integers.

Axes: B users, W beams, M levels, V vocabulary, S encoder tokens, C most children of a node.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tokbench.nn.transformer.t5 import START, Past, Transformer


@dataclass(frozen=True)
class PrefixTree:
    """All prefixes of G distinct tuples. Nodes of a level are numbered in lexicographic order.

    The children of node n of level m are the nodes `first[m][n] .. first[m][n + 1] - 1` of level
    m + 1 (level 0 is the root alone), and `token[m][n]` is the token that node n of level m + 1
    appends. A node of the last level is the row of its tuple.
    """

    first: tuple[Tensor, ...]  # per level, int64 [nodes + 1]
    token: tuple[Tensor, ...]  # per level, int64 [nodes of the next level]
    fanout: tuple[int, ...]  # per level, C

    @classmethod
    def of(cls, tokens: NDArray[np.int64], device: str | torch.device = "cpu") -> PrefixTree:
        """The tree of `tokens` [G, M]: distinct rows in lexicographic order."""
        first, token, fanout = [], [], []
        starts = np.zeros(1, np.int64)  # the row of `tokens` at which each node of the level begins
        for m in range(tokens.shape[1]):
            changed = np.any(tokens[1:, : m + 1] != tokens[:-1, : m + 1], axis=1)
            children = np.concatenate([[0], np.flatnonzero(changed) + 1])
            edges = np.append(np.searchsorted(children, starts), len(children))
            first.append(torch.from_numpy(edges).to(device))
            token.append(torch.from_numpy(tokens[children, m].copy()).to(device))
            fanout.append(int(np.diff(edges).max()))
            starts = children
        assert len(starts) == len(tokens), "tuples are distinct"
        return cls(tuple(first), tuple(token), tuple(fanout))

    def __len__(self) -> int:
        return len(self.token[-1])


@torch.inference_mode()
def search(
    model: Transformer,
    tree: PrefixTree,
    memory: Tensor,
    width: int,
    memory_length: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The `width` likeliest tuples after each memory [B, S, d_model], best first.

    Returns rows of the tree's tuples [B, width], -1 where there are no more, and their scores
    [B, width], -inf there. A score is the sum of log-softmax over the whole vocabulary, as in
    training: looking only at existing children comes after the softmax and renormalises nothing.
    `memory_length` [B, 1] is how much of each memory to look at; None is all.
    """
    users = len(memory)
    cross = model.cross_attend(memory, memory_length)
    node = torch.zeros(users, 1, dtype=torch.int64, device=memory.device)
    score = torch.zeros(users, 1, device=memory.device)
    token = torch.full_like(node, START)
    past: Past = []
    parent = torch.zeros_like(node)
    for first, tokens, fanout in zip(tree.first, tree.token, tree.fanout, strict=True):
        hidden, past = model.step(token, reorder_cache(past, parent), cross)
        logits = model.logits(hidden).float()
        child, real = children(first, node, fanout, len(tokens))
        gain = logits.gather(2, tokens[child]) - logits.logsumexp(-1, keepdim=True)
        total = (score.unsqueeze(-1) + gain).masked_fill(~real, -math.inf).flatten(1)
        score, best = total.topk(min(width, total.shape[1], len(tokens)))
        node = child.flatten(1).gather(1, best)
        token = tokens[node]
        parent = best.div(fanout, rounding_mode="floor")
    node = node.masked_fill(score == -math.inf, -1)
    missing = (0, width - node.shape[1])
    return (
        torch.nn.functional.pad(node, missing, value=-1),
        torch.nn.functional.pad(score, missing, value=-math.inf),
    )


def children(first: Tensor, node: Tensor, fanout: int, total: int) -> tuple[Tensor, Tensor]:
    """Candidates of each beam: nodes of the next level [B, W, C], and which of them are real."""
    start = first[node].unsqueeze(-1)
    candidate = start + torch.arange(fanout, device=node.device)
    return candidate.clamp(max=total - 1), candidate < first[node + 1].unsqueeze(-1)


def reorder_cache(past: Past, parent: Tensor) -> Past:
    """Keys and values of the parents [B, W] of the chosen beams."""
    return [[chosen(token, parent) for token in layer] for layer in past]


def chosen(token: Tensor, parent: Tensor) -> Tensor:
    """Rows [B, W, ...] of [B, W_old, ...]; one row for all beams stays one."""
    users, old = token.shape[:2]
    if old == 1:
        return token
    row = torch.arange(0, users * old, old, device=parent.device)[:, None] + parent
    return token.flatten(0, 1).index_select(0, row.flatten()).view(*parent.shape, *token.shape[2:])

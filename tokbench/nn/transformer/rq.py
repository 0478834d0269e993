"""The RQ-Transformer over items: one position per item, then its codes one after the other.

Lee et al., Autoregressive Image Generation using Residual Quantization, CVPR 2022,
arXiv 2203.01941: a causal "spatial" Transformer reads one vector per position, the sum of its code
embeddings, and a small "depth" network writes the M codes of the next position. A history is M
times shorter than as a sequence of codes, and its attention M^2 times smaller.

A class 0..G-1 is a distinct code tuple, in lexicographic order; class G is START, which every
input begins with, so that an empty history can be read.

Axes: B windows, L places of the longest (START and items), P supervised places, M levels, K codes
of a level, V codes of all levels, d width, H heads, W beams, C most children of a prefix.

    x       [B, L, d]  = sum_m read[code m of the item]
    hidden  [B, L, d]  = norm(blocks(x))                 place l sees the places up to l
    u_m     [P, d]     = norm(depth_m(hidden + sum_{j<m} past[code j]))
    p(c_m | c_<m)      = softmax of u_m @ write_m.T over the codes that follow c_<m in some tuple

The probabilities of all tuples therefore sum to one: nothing is spent on tuples that do not exist.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tokbench.nn.devices import on_cuda
from tokbench.nn.transformer.beam import PrefixTree, children
from tokbench.nn.transformer.collator import IGNORED
from tokbench.nn.transformer.dropout import dropout, relu_dropout
from tokbench.nn.transformer.sasrec import INITIAL_STD, MicroBatch


class RqTransformer(nn.Module):
    """`tuples` [G, M] are distinct and in lexicographic order. Weights are drawn from torch's
    global generator."""

    def __init__(
        self,
        tuples: NDArray[np.int32],
        level_sizes: tuple[int, ...],
        *,
        places: int,
        width: int,
        layers: int,
        heads: int,
        rate: float,
    ) -> None:
        super().__init__()
        self.level_sizes, self.rate, vocabulary = level_sizes, rate, sum(level_sizes)
        base = np.cumsum([0, *level_sizes[:-1]])
        tokens = tuples.astype(np.int64) + base  # each level has its own
        start = np.full((1, len(level_sizes)), vocabulary)
        self.tokens = constant(self, "tokens", torch.from_numpy(np.vstack([tokens, start])))
        tree = PrefixTree.of(tokens)
        self.fanout = tree.fanout
        for m, (first, token) in enumerate(zip(tree.first, tree.token, strict=True)):
            constant(self, f"first{m}", first)
            constant(self, f"token{m}", token)
            changed = np.any(tokens[1:, :m] != tokens[:-1, :m], axis=1)
            constant(self, f"node{m}", torch.from_numpy(np.append(0, np.cumsum(changed))))
        # Embeddings are read times sqrt(d), so that Adam moves them as fast as what they add up to.
        self.read = nn.Parameter(torch.randn(vocabulary + 1, width) / width)
        self.past = nn.Parameter(torch.randn(vocabulary, width) / width)
        self.write = nn.Parameter(torch.randn(vocabulary, width) * INITIAL_STD)
        gain = (2 * layers) ** -0.5
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                [
                    DistanceAttention(width, heads, places, rate, gain),
                    FeedForward(width, 4 * width, rate, gain),
                ]
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width, bias=False)
        self.depth = nn.ModuleList(
            FeedForward(width, 2 * width, rate, 2**-0.5) for _ in level_sizes
        )
        self.depth_norm = nn.LayerNorm(width, bias=False)

    @property
    def tree(self) -> PrefixTree:
        """All prefixes, where the weights are."""
        levels = range(len(self.level_sizes))
        first = tuple(cast(Tensor, getattr(self, f"first{m}")) for m in levels)
        token = tuple(cast(Tensor, getattr(self, f"token{m}")) for m in levels)
        return PrefixTree(first, token, self.fanout)

    def forward(self, inputs: Tensor) -> Tensor:
        """Classes [B, L] to hidden states [B, L, d]."""
        x = self.drop(self.embed(self.tokens[inputs], self.read).sum(2))
        at = torch.arange(x.shape[1], device=x.device)
        distance = at[:, None] - at
        for attention, feed_forward in cast("list[tuple[nn.Module, nn.Module]]", self.blocks):
            x = feed_forward(attention(x, distance))
        return self.norm(x)  # type: ignore[no-any-return]

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

    def embed(self, tokens: Tensor, table: Tensor) -> Tensor:
        """Rows of an embedding, scaled."""
        return F.embedding(tokens, table) * math.sqrt(table.shape[1])

    def drop(self, x: Tensor) -> Tensor:
        """Dropout at the model's rate, in training only."""
        return dropout(x, self.rate if self.training else 0.0)


def summed_loss(model: RqTransformer, batch: MicroBatch) -> Tensor:
    """-sum of log p of the tuples at the supervised places."""
    kept = batch.labels != IGNORED
    if on_cuda(kept.device):  # which would have to tell the host how many are kept
        hidden, classes = model(batch.inputs).flatten(0, 1), batch.labels.clamp(min=0).flatten()
        return -model.log_p(hidden, classes).masked_fill(~kept.flatten(), 0).sum()
    return -model.log_p(model(batch.inputs)[kept], batch.labels[kept]).sum()


def absent(tree: PrefixTree, m: int, node: Tensor, base: int, size: int) -> Tensor:
    """Which codes of level m do not follow a prefix: nodes [P] to [P, K]."""
    child, real = children(tree.first[m], node, tree.fanout[m], len(tree.token[m]))
    code = torch.where(real, tree.token[m][child] - base, size)  # what is not real goes beside
    gone = torch.ones(len(node), size + 1, dtype=torch.bool, device=node.device)
    return gone.scatter_(1, code, False)[:, :size]


@torch.inference_mode()
def search(model: RqTransformer, hidden: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """The `width` likeliest classes after each hidden state [B, d], best first: classes and log p,
    [B, width] each; -1 and -inf where there are no more."""
    tree, base = model.tree, 0
    node = torch.zeros(len(hidden), 1, dtype=torch.int64, device=hidden.device)
    score = torch.zeros(len(hidden), 1, device=hidden.device)
    so_far = torch.zeros_like(hidden).unsqueeze(1)  # [B, W, d]
    for m, size in enumerate(model.level_sizes):
        first, token, fanout = tree.first[m], tree.token[m], tree.fanout[m]
        child, real = children(first, node, fanout, len(token))
        logits = model.logits(hidden.unsqueeze(1), so_far, m)
        found = logits.gather(2, token[child] - base).masked_fill(~real, -math.inf)
        total = (score.unsqueeze(-1) + found.log_softmax(-1)).masked_fill(~real, -math.inf)
        score, best = total.flatten(1).topk(min(width, total[0].numel(), len(token)))
        node = child.flatten(1).gather(1, best)
        parent = best.div(fanout, rounding_mode="floor").unsqueeze(-1)
        earlier = so_far.gather(1, parent.expand(-1, -1, so_far.shape[-1]))
        so_far = earlier + model.embed(token[node], model.past)
        base += size
    missing = (0, width - node.shape[1])
    node = node.masked_fill(score == -math.inf, -1)
    return F.pad(node, missing, value=-1), F.pad(score, missing, value=-math.inf)


class DistanceAttention(nn.Module):
    """x + out(attention(norm(x))), causal, with a learned bias per head and distance in places."""

    def __init__(self, width: int, heads: int, places: int, rate: float, gain: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, rate
        self.norm = nn.LayerNorm(width, bias=False)
        self.qkv, self.out = matrix(3 * width, width), matrix(width, width, gain)
        self.bias = nn.Parameter(torch.zeros(heads, places))

    def forward(self, x: Tensor, distance: Tensor) -> Tensor:
        """[B, L, d] to the same; `distance` [L, L] of query and key, negative for later keys."""
        batch, length, width = x.shape
        qkv = F.linear(self.norm(x), self.qkv).view(batch, length, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).flatten(1, 2)  # each [B * H, L, d / H]
        bias = self.bias[:, distance.clamp(min=0)].masked_fill(distance < 0, -math.inf)
        scores = torch.baddbmm(
            bias.expand(batch, -1, -1, -1).flatten(0, 1),
            q,
            k.transpose(1, 2),
            alpha=(width // self.heads) ** -0.5,
        )
        seen = (scores.softmax(-1) @ v).view(batch, self.heads, length, -1).transpose(1, 2)
        return x + dropout(F.linear(seen.flatten(2), self.out), self.rate if self.training else 0.0)


class FeedForward(nn.Module):
    """x + out(dropout(relu(in(norm(x)))))."""

    def __init__(self, width: int, inner: int, rate: float, gain: float) -> None:
        super().__init__()
        self.rate = rate
        self.norm = nn.LayerNorm(width, bias=False)
        self.wide, self.narrow = matrix(inner, width, 2**0.5), matrix(width, inner, gain)

    def forward(self, x: Tensor) -> Tensor:
        """[..., d] to the same."""
        rate = self.rate if self.training else 0.0
        hidden = relu_dropout(F.linear(self.norm(x), self.wide), rate)
        return x + dropout(F.linear(hidden, self.narrow), rate)


def matrix(out: int, into: int, gain: float = 1.0) -> nn.Parameter:
    """Weights [out, into] that keep a variance of one, times gain^2."""
    return nn.Parameter(torch.randn(out, into) * gain * into**-0.5)


def constant(module: nn.Module, name: str, value: Tensor) -> Tensor:
    """A tensor that moves with the module and is not part of its state."""
    module.register_buffer(name, value, persistent=False)
    return value

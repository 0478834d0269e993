"""The decoder-only network and its search over the tuples that exist.

One stack of self-attention layers, as in tokbench.nn.transformer, with a causal mask; logits
at a position say which token comes next.

Axes: B sequences, S tokens, W beams, H heads, V vocabulary.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tokbench.nn.transformer import (
    Attention,
    EncoderLayer,
    PrefixTree,
    RelativeBias,
    RMSNorm,
    Size,
    attend,
    children,
)

Past = list[tuple[Tensor, Tensor]]  # per layer: keys and values


class Network(nn.Module):
    """Weights are drawn from torch's global generator; `size.encoder_layers` is the depth."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.embedding = nn.Parameter(torch.randn(size.vocabulary, size.d_model))
        self.bias = RelativeBias(size, causal=True)
        self.layers = nn.ModuleList(EncoderLayer(size) for _ in range(size.encoder_layers))
        self.norm = RMSNorm(size.d_model)

    def forward(self, tokens: Tensor) -> Tensor:
        """Hidden states [B, S, d_model] of tokens [B, S], each of which sees itself and earlier."""
        bias, x = self.look_back(tokens.shape[1]), self.embed(tokens)
        for layer in self.layers:
            x = layer(x, bias)
        return self.drop(self.norm(x))

    def read(self, tokens: Tensor) -> tuple[Tensor, Past]:
        """(hidden state [B, d_model] of the last token, keys and values [B, H, S, d_head])."""
        bias, x, past = self.look_back(tokens.shape[1]), self.embed(tokens), []
        for layer in cast("list[EncoderLayer]", self.layers):
            own: Attention = layer.attention
            q, k, v = own.queries_keys_values(x)
            past.append((k, v))
            x = layer.feed_forward(x + own.merge(attend(q, k, v, bias)))
        return self.norm(x[:, -1]), past

    def step(self, tokens: Tensor, read: Past, past: Past) -> tuple[Tensor, Past]:
        """Hidden state [B, W, d_model] of the newest token [B, W] of each beam, and its past.

        `read` are keys and values [B, H, S, d_head] that the beams of a sequence share, `past`
        those of the beams' own earlier tokens, [B, H, W, length, d_head] (at first none: []).
        """
        prefix = read[0][0].shape[2]
        length = prefix + 1 + (past[0][0].shape[3] if past else 0)
        bias = self.bias(torch.arange(length, device=tokens.device).unsqueeze(0) - (length - 1))
        x, grown = self.embed(tokens), []
        for depth, layer in enumerate(cast("list[EncoderLayer]", self.layers)):
            own: Attention = layer.attention
            q, k, v = own.queries_keys_values(x)  # [B, H, W, d_head]
            k, v = k.unsqueeze(3), v.unsqueeze(3)
            if past:
                k, v = torch.cat([past[depth][0], k], 3), torch.cat([past[depth][1], v], 3)
            grown.append((k, v))
            keys, values = read[depth]
            scores = torch.cat([q @ keys.transpose(-1, -2), (q.unsqueeze(3) * k).sum(-1)], -1)
            share = (scores + bias).softmax(-1)
            out = share[..., :prefix] @ values
            out = out + (share[..., prefix:].unsqueeze(-1) * v).sum(3)
            x = layer.feed_forward(x + own.merge(out))
        return self.norm(x), grown

    def look_back(self, length: int) -> Tensor:
        """Bias of self-attention [1, H, S, S], -inf where a token would see a later one."""
        at = torch.arange(length, device=self.embedding.device)
        offset = at[None, :] - at[:, None]
        bias: Tensor = self.bias(offset)
        return bias.masked_fill(offset > 0, -math.inf)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores over the whole vocabulary, [..., V]."""
        return F.linear(hidden * self.size.d_model**-0.5, self.embedding)

    def embed(self, tokens: Tensor) -> Tensor:
        """Embedded tokens, with dropout."""
        return self.drop(F.embedding(tokens, self.embedding))

    def drop(self, x: Tensor) -> Tensor:
        """Dropout at the network's rate, in training only."""
        return F.dropout(x, self.size.dropout, self.training)


@torch.inference_mode()
def search(network: Network, tree: PrefixTree, tokens: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """The `width` likeliest tuples after each sequence of tokens [B, S], best first.

    Rows of the tree's tuples [B, width], -1 where there are no more, and scores [B, width]: sums of
    log-softmax over the whole vocabulary, as in training, -inf where there are no more.
    """
    last, read = network.read(tokens)
    hidden, past = last.unsqueeze(1), Past()
    node = torch.zeros(len(tokens), 1, dtype=torch.int64, device=tokens.device)
    score = torch.zeros(len(tokens), 1, device=tokens.device)
    for level, (first, labels, fanout) in enumerate(
        zip(tree.first, tree.token, tree.fanout, strict=True)
    ):
        if level:
            hidden, past = network.step(tree.token[level - 1][node], read, past)
        logits = network.logits(hidden).float()
        child, real = children(first, node, fanout, len(labels))
        gain = logits.gather(2, labels[child]) - logits.logsumexp(-1, keepdim=True)
        total = (score.unsqueeze(-1) + gain).masked_fill(~real, -math.inf).flatten(1)
        score, best = total.topk(min(width, total.shape[1], len(labels)))
        node = child.flatten(1).gather(1, best)
        past = reorder_cache(past, best.div(fanout, rounding_mode="floor"))
    node = node.masked_fill(score == -math.inf, -1)
    missing = (0, width - node.shape[1])
    return F.pad(node, missing, value=-1), F.pad(score, missing, value=-math.inf)


@torch.inference_mode()
def log_likelihood(network: Network, tokens: Tensor, last: int) -> Tensor:
    """log p of the `last` tokens of each sequence [B, S] after those before, over the whole
    vocabulary: float64 [B], natural, one pass."""
    logits = network.logits(network(tokens[:, :-1])[:, -last:])
    log_p = logits.double().log_softmax(-1)
    return log_p.gather(2, tokens[:, -last:].unsqueeze(-1)).sum((1, 2))


def reorder_cache(past: Past, parent: Tensor) -> Past:
    """Keys and values [B, H, W_old, length, d_head] of the parents [B, W] of the chosen beams."""
    row = torch.arange(len(parent), device=parent.device)[:, None]
    return [(k[row, :, parent].transpose(1, 2), v[row, :, parent].transpose(1, 2)) for k, v in past]

"""T5-style encoder-decoder (Raffel et al., arXiv 1910.10683), as TIGER uses it (arXiv 2305.05065).

RMSNorm before each block, no biases, one table of relative position biases per stack, attention
logits not divided by sqrt(d_head), ReLU feed-forward, one embedding for encoder, decoder and
(scaled by d_model ** -0.5) the output. With the same weights its logits equal those of
transformers' T5ForConditionalGeneration.

Three things go beyond T5. The decoder takes T short targets per sequence at once, [B, T, M], which
share one encoder pass and may each see another part of it (`decode`). `step` advances W beams of a
user by one token against a single copy of that user's cross-attention keys and values. And with
`Size.cross_bias` cross-attention has a table of relative position biases too: where the encoder is
causal an item cannot tell that it is the last one, and without a bias the decoder could not either.

Axes: B sequences, S encoder tokens, T targets, M tokens of a target, W beams, H heads,
V vocabulary.
`allowed` is boolean, True where an encoder token may look, broadcastable to [B, H, S, S]. `ends`
[B or 1, T] says how many encoder tokens a target sees: the first `ends` of them; None is all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tokbench.nn.transformer.dropout import dropout, relu_dropout

START = 0  # the one special token: decoder start, encoder start, and padding (always masked)


@dataclass(frozen=True)
class Size:
    """Everything that fixes the shape of the weights, and the dropout rate."""

    vocabulary: int
    d_model: int = 128
    d_ff: int = 1024
    heads: int = 6
    d_head: int = 64
    encoder_layers: int = 4
    decoder_layers: int = 4
    dropout: float = 0.1
    buckets: int = 32  # relative distances are told apart in this many classes,
    furthest: int = 128  # all distances from here on being one class
    cross_bias: bool = False


class Transformer(nn.Module):
    """The encoder-decoder. Weights are drawn from torch's global generator."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.embedding = nn.Parameter(torch.randn(size.vocabulary, size.d_model))
        self.encoder_bias = RelativeBias(size, causal=False)
        self.decoder_bias = RelativeBias(size, causal=True)
        self.cross_bias = RelativeBias(size, causal=True) if size.cross_bias else None
        self.encoder = nn.ModuleList(EncoderLayer(size) for _ in range(size.encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(size) for _ in range(size.decoder_layers))
        self.encoder_norm = RMSNorm(size.d_model)
        self.decoder_norm = RMSNorm(size.d_model)

    def encode(self, tokens: Tensor, allowed: Tensor | None = None) -> Tensor:
        """Memory [B, S, d_model] of encoder tokens [B, S]."""
        at = torch.arange(tokens.shape[1], device=tokens.device)
        bias = self.encoder_bias(at[None, :] - at[:, None])
        if allowed is not None:
            bias = bias.masked_fill(~allowed, -math.inf)
        x = self.embed(tokens)
        for layer in self.encoder:
            x = layer(x, bias)
        return self.drop(self.encoder_norm(x))

    def decode(self, tokens: Tensor, memory: Tensor, ends: Tensor | None = None) -> Tensor:
        """Hidden states [B, T, M, d_model] of decoder inputs [B, T, M], each target on its own."""
        at = torch.arange(tokens.shape[2], device=tokens.device)
        offset = at[None, :] - at[:, None]
        bias = self.decoder_bias(offset).masked_fill(offset > 0, -math.inf)
        seen = self.look_back(ends, at, memory)
        x = self.embed(tokens)
        for layer in self.decoder:
            x = layer(x, bias, memory, seen)
        return self.drop(self.decoder_norm(x))

    def look_back(self, ends: Tensor | None, at: Tensor, memory: Tensor) -> Tensor | None:
        """Bias of cross-attention for the tokens `at` of each target, [B or 1, H or 1, T * at, S].

        Token m of a target stands at ends + m, as if it followed what it sees.
        """
        if ends is None and self.cross_bias is None:
            return None
        length = memory.shape[1]
        keys = torch.arange(length, device=memory.device)
        if ends is None:
            ends = torch.full((1, 1), length, device=memory.device)
        hidden = (keys >= ends.unsqueeze(-1)).repeat_interleave(len(at), 1).unsqueeze(1)
        if self.cross_bias is None:
            zeros = torch.zeros(hidden.shape, dtype=memory.dtype, device=memory.device)
            return zeros.masked_fill_(hidden, -math.inf)
        bias: Tensor = self.cross_bias(keys - (ends.unsqueeze(-1) + at).flatten(1).unsqueeze(-1))
        return bias.masked_fill(hidden, -math.inf)

    def step(self, tokens: Tensor, past: Past, cross: Cross) -> tuple[Tensor, Past]:
        """Hidden state [B, W, d_model] of the newest token [B, W] of each beam, and its past.

        `past` holds the keys and values of the beams' earlier tokens (at first none: []), `cross`
        what `cross_attend` made of the memory.
        """
        number = len(past[0]) if past else 0
        at = torch.arange(number + 1, device=tokens.device)
        bias = self.decoder_bias((at - number).unsqueeze(0))[0, :, 0]
        seen = self.look_back(cross.ends, at[-1:], cross.memory)
        x = self.embed(tokens)
        grown: Past = []
        for depth, layer in enumerate(cast("list[DecoderLayer]", self.decoder)):
            x, own = layer.step(x, bias, past[depth] if past else [], cross.pairs[depth], seen)
            grown.append(own)
        return self.drop(self.decoder_norm(x)), grown

    def cross_attend(self, memory: Tensor, ends: Tensor | None = None) -> Cross:
        """Cross-attention keys and values of every decoder layer, computed once per user.

        `ends` is [B, 1] here: each user is one target.
        """
        layers = cast("list[DecoderLayer]", self.decoder)
        return Cross([layer.cross_attention.keys_values(memory) for layer in layers], memory, ends)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores over the whole vocabulary, [..., V]."""
        return F.linear(hidden * self.size.d_model**-0.5, self.embedding)

    def embed(self, tokens: Tensor) -> Tensor:
        """Embedded tokens, with dropout."""
        return self.drop(F.embedding(tokens, self.embedding))

    def drop(self, x: Tensor) -> Tensor:
        """Dropout at the model's rate, in training only."""
        return dropout(x, self.size.dropout) if self.training else x


# Per decoder layer and token of a beam: keys and values [B, W, 2, H, d_head]. What all beams of a
# user have in common, the first token, is there once: W is 1.
Past = list[list[Tensor]]


@dataclass(frozen=True)
class Cross:
    """What the beams of a user share: per decoder layer keys and values [B, H, S, d_head]."""

    pairs: list[tuple[Tensor, Tensor]]
    memory: Tensor  # [B, S, d_model]
    ends: Tensor | None  # [B, 1]


class EncoderLayer(nn.Module):
    """x + attention, then + feed-forward."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.attention = Attention(size)
        self.feed_forward = FeedForward(size)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """[B, S, d_model] to the same."""
        return self.feed_forward(self.attention(x, bias))  # type: ignore[no-any-return]


class DecoderLayer(nn.Module):
    """x + self-attention inside a target, then + cross-attention, then + feed-forward."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.self_attention = Attention(size)
        self.cross_attention = Attention(size)
        self.feed_forward = FeedForward(size)

    def forward(self, x: Tensor, bias: Tensor, memory: Tensor, cross_bias: Tensor | None) -> Tensor:
        """[B, T, M, d_model] to the same."""
        shape = x.shape
        x = self.self_attention(x.flatten(0, 1), bias)
        x = self.cross_attention(x.view(shape).flatten(1, 2), cross_bias, memory)
        return self.feed_forward(x).view(shape)  # type: ignore[no-any-return]

    def step(
        self,
        x: Tensor,
        bias: Tensor,
        past: list[Tensor],
        cross: tuple[Tensor, Tensor],
        cross_bias: Tensor | None,
    ) -> tuple[Tensor, list[Tensor]]:
        """One more token for each beam: x [B, W, d_model]; bias [H, tokens]."""
        own = self.self_attention
        newest = F.linear(own.norm(x), own.inward).view(*x.shape[:2], 3, own.heads, -1)
        past = [*past, newest[:, :, 1:]]
        x = x + F.linear(attend_past(newest[:, :, 0], past, bias).flatten(2), own.outward)
        other = self.cross_attention
        q = other.queries(x)
        x = x + other.merge(attend(q, *cross, cross_bias))
        return self.feed_forward(x), past


class Attention(nn.Module):
    """Multi-head attention with its norm before and its residual around it."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.heads, self.width, self.rate = size.heads, size.heads * size.d_head, size.dropout
        # One matrix for queries, keys and values: one product instead of three.
        std = torch.tensor([(size.d_model * size.d_head) ** -0.5, *[size.d_model**-0.5] * 2])
        weight = torch.randn(3, self.width, size.d_model) * std[:, None, None]
        self.inward = nn.Parameter(weight.flatten(0, 1))
        self.outward = nn.Parameter(torch.randn(size.d_model, self.width) * self.width**-0.5)
        self.norm = RMSNorm(size.d_model)

    def forward(self, x: Tensor, bias: Tensor | None, memory: Tensor | None = None) -> Tensor:
        """x [B, Q, d_model] attending to itself, or to `memory` [B, S, d_model] where given."""
        if memory is None:
            q, k, v = self.queries_keys_values(x)
        else:
            q, (k, v) = self.queries(x), self.keys_values(memory)
        rate = self.rate if self.training else 0.0
        out = self.merge(attend(q, k, v, bias, rate))
        return x + dropout(out, rate)

    def queries_keys_values(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q, k and v of self-attention, each [B, H, length, d_head]."""
        q, k, v = self.split(F.linear(self.norm(x), self.inward), 3)
        return q, k, v

    def queries(self, x: Tensor) -> Tensor:
        """q of cross-attention [B, H, Q, d_head]."""
        return self.split(F.linear(self.norm(x), self.inward[: self.width]), 1)[0]

    def keys_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """k and v of cross-attention, each [B, H, S, d_head]; the memory is normed already."""
        k, v = self.split(F.linear(memory, self.inward[self.width :]), 2)
        return k, v

    def split(self, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        """[B, length, parts * H * d_head] as `parts` tensors [B, H, length, d_head]."""
        x = x.view(*x.shape[:2], parts, self.heads, -1)
        return x.permute(2, 0, 3, 1, 4).unbind(0)

    def merge(self, x: Tensor) -> Tensor:
        """[B, H, Q, d_head] back to [B, Q, d_model]."""
        return F.linear(x.transpose(1, 2).flatten(2), self.outward)


class FeedForward(nn.Module):
    """x + W_out dropout(relu(W_in norm(x)))."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.rate = size.dropout
        self.inward = nn.Parameter(torch.randn(size.d_ff, size.d_model) * size.d_model**-0.5)
        self.outward = nn.Parameter(torch.randn(size.d_model, size.d_ff) * size.d_ff**-0.5)
        self.norm = RMSNorm(size.d_model)

    def forward(self, x: Tensor) -> Tensor:
        """[..., d_model] to the same."""
        rate = self.rate if self.training else 0.0
        hidden = relu_dropout(F.linear(self.norm(x), self.inward), rate)
        return x + dropout(F.linear(hidden, self.outward), rate)


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2)) * weight: no mean subtracted, no bias."""

    def __init__(self, width: int, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(width)), epsilon

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] to the same."""
        return F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


class RelativeBias(nn.Module):
    """A learned number per head and class of distance, shared by the layers of a stack."""

    def __init__(self, size: Size, *, causal: bool) -> None:
        super().__init__()
        self.causal, self.furthest = causal, size.furthest
        self.weight = nn.Parameter(torch.randn(size.buckets, size.heads) * size.d_model**-0.5)

    def forward(self, offset: Tensor) -> Tensor:
        """[... or 1, H, queries, keys] for key-minus-query offsets [..., queries, keys]."""
        bucket = distance_bucket(offset, len(self.weight), self.furthest, causal=self.causal)
        bias = F.embedding(bucket, self.weight).movedim(-1, -3)
        return bias if offset.dim() == 3 else bias.unsqueeze(0)


def distance_bucket(offset: Tensor, buckets: int, furthest: int, *, causal: bool) -> Tensor:
    """Class of each key-minus-query offset: exact when near, logarithmic up to `furthest`.

    Both directions have half of the buckets each; a causal stack looks only back and has them all.
    """
    if causal:
        base, distance = torch.zeros_like(offset), (-offset).clamp(min=0)
    else:
        buckets //= 2
        base, distance = (offset > 0) * buckets, offset.abs()
    exact = buckets // 2
    scale = (buckets - exact) / math.log(furthest / exact)
    far = exact + (torch.log(distance.clamp(min=1).float() / exact) * scale).long()
    return base + torch.where(distance < exact, distance, far.clamp(max=buckets - 1))


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, rate: float = 0.0) -> Tensor:
    """softmax(q k^T + bias) v, [B, H, Q, d_head]; `rate` is the dropout of the attention weights.

    The fused kernel takes no gradient of a bias on a CPU, where it serves inference only. On a GPU
    it saves seven passes over the scores.
    """
    if not torch.is_grad_enabled() or q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, bias, dropout_p=rate, scale=1.0)
    scores = q @ k.transpose(-1, -2)
    if bias is not None:
        scores += bias
    return dropout(scores.softmax(-1), rate) @ v


def attend_past(q: Tensor, past: list[Tensor], bias: Tensor) -> Tensor:
    """What each beam's q [B, W, H, d_head] finds among its own few tokens, [B, W, H, d_head].

    Products element by element: a kernel for attention has one tiny problem per beam and head, for
    which the keys of all tokens must first be put side by side. Two to three times as fast on a
    CPU, an eighth of a beam search.
    """
    scores = torch.stack([(q * token[:, :, 0]).sum(-1) for token in past], -1)
    share = (scores + bias).softmax(-1)
    found = torch.zeros_like(q)
    for token, part in zip(past, share.unbind(-1), strict=True):
        found.addcmul_(part.unsqueeze(-1), token[:, :, 1])
    return found

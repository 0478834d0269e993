"""The layers of T5 (Raffel et al., arXiv 1910.10683): attention, feed-forward, norm, biases.

RMSNorm before each block and its residual around it, no biases, attention logits not divided by
sqrt(d_head), ReLU feed-forward.

Axes: B sequences, S encoder tokens, Q query tokens, T targets, M tokens of a target, W beams,
H heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tokbench.nn.transformer.dropout import dropout, relu_dropout


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
        # One matrix for queries, keys and values: one product instead of three. `inward` and
        # `outward` (qkv and out_proj elsewhere) are names of stored weights, so they stay.
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
        self.causal = causal
        self.weight = nn.Parameter(torch.randn(size.buckets, size.heads) * size.d_model**-0.5)

        bounds = distance_bounds(size.buckets if causal else size.buckets // 2, size.furthest)
        self.bounds: Tensor
        self.register_buffer("bounds", torch.tensor(bounds), persistent=False)

    def forward(self, offset: Tensor) -> Tensor:
        """[... or 1, H, queries, keys] for key-minus-query offsets [..., queries, keys]."""
        bucket = distance_bucket(offset, self.bounds, causal=self.causal)
        bias = F.embedding(bucket, self.weight).movedim(-1, -3)
        return bias if offset.dim() == 3 else bias.unsqueeze(0)


def distance_bounds(buckets: int, furthest: int) -> list[int]:
    """The least distance of each class but the first: exact when near, logarithmic up to
    `furthest`. T5's formula in integers: its logarithms lie on the edge of two classes at powers
    of two, where devices round differently."""
    exact = buckets // 2
    bounds, far = list(range(1, exact + 1)), buckets - exact
    distance = exact
    for step in range(1, far):
        # exact * (furthest / exact) ** (step / far), to the power of `far`
        while distance**far < exact ** (far - step) * furthest**step:
            distance += 1
        bounds.append(distance)
    return bounds


def distance_bucket(offset: Tensor, bounds: Tensor, *, causal: bool) -> Tensor:
    """Class of each key-minus-query offset.

    Both directions have half of the buckets each; a causal stack looks only back and has them all.
    """
    if causal:
        return torch.bucketize((-offset).clamp(min=0), bounds, right=True)
    ahead = (offset > 0) * (len(bounds) + 1)
    return ahead + torch.bucketize(offset.abs(), bounds, right=True)


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

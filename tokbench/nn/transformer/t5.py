"""T5-style encoder-decoder (Raffel et al., arXiv 1910.10683), as TIGER uses it (arXiv 2305.05065).

Layers as in layers.py, one table of relative position biases per stack, one embedding for encoder,
decoder and (scaled by d_model ** -0.5) the output. With the same weights its logits equal those of
transformers' T5ForConditionalGeneration.

Four things go beyond T5. An encoder position may hold several tokens (`encode`). The decoder takes
T short targets per sequence at once, [B, T, M], which share one encoder pass and may each see
another part of it (`decode`). `step` advances W beams of a user by one token against a single copy
of that user's cross-attention keys and values. And with `Size.cross_bias` cross-attention has a
table of relative position biases too: where the encoder is causal an item cannot tell that it is
the last one, and without a bias the decoder could not either.

Axes: B sequences, S encoder tokens, T targets, M tokens of a target, W beams, H heads,
V vocabulary.
`allowed` is boolean, True where an encoder token may look, broadcastable to [B, H, S, S].
`memory_length` [B or 1, T] says how many encoder tokens a target sees, the first ones; None is all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tokbench.nn.transformer.dropout import dropout
from tokbench.nn.transformer.layers import DecoderLayer, EncoderLayer, RelativeBias, RMSNorm, Size

START = 0  # the one special token: decoder start, encoder start, and padding (always masked)


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
        """Memory [B, S, d_model] of encoder tokens [B, S], or of positions of M tokens [B, S, M],
        which are read as the sum of their embeddings."""
        at = torch.arange(tokens.shape[1], device=tokens.device)
        bias = self.encoder_bias(at[None, :] - at[:, None])
        if allowed is not None:
            bias = bias.masked_fill(~allowed, -math.inf)
        x = F.embedding(tokens, self.embedding)
        x = self.drop(x if tokens.dim() == 2 else x.sum(2))
        for layer in self.encoder:
            x = layer(x, bias)
        return self.drop(self.encoder_norm(x))

    def decode(self, tokens: Tensor, memory: Tensor, memory_length: Tensor | None = None) -> Tensor:
        """Hidden states [B, T, M, d_model] of decoder inputs [B, T, M], each target on its own."""
        at = torch.arange(tokens.shape[2], device=tokens.device)
        offset = at[None, :] - at[:, None]
        bias = self.decoder_bias(offset).masked_fill(offset > 0, -math.inf)
        if memory_length is None and self.cross_bias is not None:  # its bias is of each target
            memory_length = torch.full((1, tokens.shape[1]), memory.shape[1], device=tokens.device)
        seen = self.look_back(memory_length, at, memory)
        x = self.embed(tokens)
        for layer in self.decoder:
            x = layer(x, bias, memory, seen)
        return self.drop(self.decoder_norm(x))

    def look_back(self, memory_length: Tensor | None, at: Tensor, memory: Tensor) -> Tensor | None:
        """Bias of cross-attention for the tokens `at` of each target, [B or 1, H or 1, T * at, S].

        Token m of a target stands at memory_length + m, as if it followed what it sees.
        """
        if memory_length is None and self.cross_bias is None:
            return None
        length = memory.shape[1]
        keys = torch.arange(length, device=memory.device)
        if memory_length is None:
            memory_length = torch.full((1, 1), length, device=memory.device)
        hidden = (keys >= memory_length.unsqueeze(-1)).repeat_interleave(len(at), 1).unsqueeze(1)
        if self.cross_bias is None:
            zeros = torch.zeros(hidden.shape, dtype=memory.dtype, device=memory.device)
            return zeros.masked_fill_(hidden, -math.inf)
        place = (memory_length.unsqueeze(-1) + at).flatten(1)
        bias: Tensor = self.cross_bias(keys - place.unsqueeze(-1))
        return bias.masked_fill(hidden, -math.inf)

    def step(self, tokens: Tensor, past: Past, cross: Cross) -> tuple[Tensor, Past]:
        """Hidden state [B, W, d_model] of the newest token [B, W] of each beam, and its past.

        `past` holds the keys and values of the beams' earlier tokens (at first none: []), `cross`
        what `cross_attend` made of the memory.
        """
        number = len(past[0]) if past else 0
        at = torch.arange(number + 1, device=tokens.device)
        bias = self.decoder_bias((at - number).unsqueeze(0))[0, :, 0]
        seen = self.look_back(cross.memory_length, at[-1:], cross.memory)
        x = self.embed(tokens)
        grown: Past = []
        for depth, layer in enumerate(cast("list[DecoderLayer]", self.decoder)):
            x, own = layer.step(x, bias, past[depth] if past else [], cross.pairs[depth], seen)
            grown.append(own)
        return self.drop(self.decoder_norm(x)), grown

    def cross_attend(self, memory: Tensor, memory_length: Tensor | None = None) -> Cross:
        """Cross-attention keys and values of every decoder layer, computed once per user.

        `memory_length` is [B, 1] here: each user is one target.
        """
        layers = cast("list[DecoderLayer]", self.decoder)
        pairs = [layer.cross_attention.keys_values(memory) for layer in layers]
        return Cross(pairs, memory, memory_length)

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
    memory_length: Tensor | None  # [B, 1]

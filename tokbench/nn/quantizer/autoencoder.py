"""The autoencoder around a residual quantizer.

Axes: N items, B batch, D input, d latent, M levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from tokbench.api import batches
from tokbench.nn.quantizer.mlp import mlp
from tokbench.nn.quantizer.residual import Quantized, ResidualQuantizer

BLOCK = 8192  # rows that go through the network at once, outside training
Standardize = Literal["none", "center", "zscore"]


class Batch(NamedTuple):
    """What a loss term may look at."""

    rows: Tensor  # [B] int64, the items' rows in the catalogue (for side data of your own)
    x: Tensor  # [B, D] the input, standardised as configured
    z: Tensor  # [B, d] = E(x)
    codes: Tensor  # [B, M] int64
    r: Tensor  # [B, M, d] residuals
    e: Tensor  # [B, M, d] chosen code vectors
    z_hat: Tensor  # [B, d] straight-through
    x_hat: Tensor  # [B, D] = D(z_hat)


class QuantizedAutoencoder(nn.Module):
    """E, Q and D, and the standardisation of the input that comes before them."""

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        quantizer: ResidualQuantizer,
        *,
        input_dim: int,
        hidden: Sequence[int],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        sizes = [input_dim, *hidden, quantizer.codebooks.shape[-1]]
        self.encoder = mlp(sizes, generator=generator)
        self.decoder = mlp(sizes[::-1], generator=generator)
        self.quantizer = quantizer
        self.as_it_is = True
        self.register_buffer("mean", torch.zeros(input_dim))
        self.register_buffer("scale", torch.ones(input_dim))

    def standardize_by(self, embeddings: Tensor, how: Standardize) -> None:
        """Take mean and scale from the catalogue [N, D]."""
        self.as_it_is = how == "none"
        if how != "none":
            self.mean = embeddings.mean(dim=0)
        if how == "zscore":
            deviation = embeddings.std(dim=0, correction=0)
            self.scale = torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation))

    def standardize(self, embeddings: Tensor) -> Tensor:
        """Raw embeddings [N, D] to x [N, D]; themselves, not a copy, where nothing is done."""
        return embeddings if self.as_it_is else (embeddings - self.mean).div_(self.scale)

    def forward(self, rows: Tensor, x: Tensor, *, quantized: bool) -> Batch:
        """One pass. Without quantization z_hat is z, and residuals and code vectors are zero, so
        that Eq. 3 vanishes."""
        z = self.encoder(x)
        q = self.quantizer(z) if quantized else self.unquantized(z)
        return Batch(rows, x, z, q.codes, q.r, q.e, q.z_hat, self.decoder(q.z_hat))

    def unquantized(self, z: Tensor) -> Quantized:
        """z as its own z_hat."""
        zeros = z.new_zeros(len(z), self.quantizer.levels, z.shape[-1])
        return Quantized(zeros[:, :, 0].long(), zeros, zeros, z)

    @torch.no_grad()
    def latents(self, x: Tensor) -> Tensor:
        """z [N, d] of x [N, D], in blocks."""
        return torch.cat([self.encoder(x[block]) for block in batches(len(x), BLOCK)])

    @torch.no_grad()
    def codes(self, x: Tensor) -> Tensor:
        """x [N, D] to codes [N, M] int64, in blocks."""
        to_codes = self.quantizer.vectors_to_codes
        return torch.cat([to_codes(self.encoder(x[block])) for block in batches(len(x), BLOCK)])

    def encode(self, embeddings: Tensor) -> Tensor:
        """Raw embeddings [N, D] to codes [N, M] int64."""
        return self.codes(self.standardize(embeddings))

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Codes [N, M] int64 to reconstructions of raw embeddings [N, D], in blocks."""
        x_hat = [
            self.decoder(self.quantizer.codes_to_vectors(codes[block]))
            for block in batches(len(codes), BLOCK)
        ]
        return torch.cat(x_hat) * self.scale + self.mean

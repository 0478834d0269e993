"""Residual quantization (Sec. 3.1): a latent vector as the sum of M code vectors.

Axes: B batch, d latent, M levels, K codes.
z [B, d]; r_0 = z, c_i = argmin_k ||r_{i-1} - e_i^k||, r_i = r_{i-1} - e_i^{c_i};
z_hat = sum_i e_i^{c_i}.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Quantized(NamedTuple):
    """What quantizing a batch yields."""

    codes: Tensor  # [B, M] int64
    r: Tensor  # [B, M, d] residuals r_0 .. r_{M-1}: what each level had to code
    e: Tensor  # [B, M, d] the code vectors chosen
    z_hat: Tensor  # [B, d] their sum, with z's gradient (straight-through)


class ResidualQuantizer(nn.Module):
    """M levels of K code vectors; with `shared`, one codebook serves every level.

    `stop`: residuals subtract sg(e), so that a level's commitment never moves the codebooks before
    it; without, they subtract e, as r_i = r_{i-1} - e_i is written.
    """

    def __init__(
        self,
        *,
        levels: int,
        codebook_size: int,
        latent_dim: int,
        shared: bool,
        stop: bool = True,
    ) -> None:
        super().__init__()
        books = 1 if shared else levels
        self.levels, self.stop = levels, stop
        self.codebooks = nn.Parameter(torch.zeros(books, codebook_size, latent_dim))

    @property
    def shared(self) -> bool:
        """Does one codebook serve every level?"""
        return len(self.codebooks) < self.levels

    def codebook(self, level: int) -> Tensor:
        """[K, d] code vectors of a level (counted from 0)."""
        return self.codebooks[0 if self.shared else level]

    def forward(self, z: Tensor) -> Quantized:
        """Quantize z [B, d]."""
        r, codes, residuals, chosen = z, [], [], []
        for level in range(self.levels):
            book = self.codebook(level)
            c = nearest_code(r.detach(), book.detach())
            e = book.index_select(0, c)
            codes.append(c)
            residuals.append(r)
            chosen.append(e)
            r = r - (e.detach() if self.stop else e)
        e = torch.stack(chosen, dim=1)
        z_hat = straight_through(z, e.detach().sum(dim=1))
        return Quantized(torch.stack(codes, dim=1), torch.stack(residuals, dim=1), e, z_hat)

    @torch.no_grad()
    def vectors_to_codes(self, z: Tensor) -> Tensor:
        """[B, d] -> [B, M]."""
        codes: Tensor = self(z).codes
        return codes

    def codes_to_vectors(self, codes: Tensor) -> Tensor:
        """[B, M] -> z_hat [B, d], the sum of the code vectors."""
        chosen = [
            self.codebook(level).index_select(0, codes[:, level]) for level in range(self.levels)
        ]
        return torch.stack(chosen, dim=1).sum(dim=1)


def nearest_code(r: Tensor, book: Tensor) -> Tensor:
    """argmin_k ||r - e^k||^2 for r [B, d] and book [K, d], as int64 [B].

    ||r||^2 is the same for every k and left out, so one addmm gives the order of the distances.
    """
    return torch.addmm(book.square().sum(dim=-1), r, book.T, alpha=-2.0).argmin(dim=-1)


def straight_through(z: Tensor, z_hat: Tensor) -> Tensor:
    """z_hat in value, z in gradient."""
    return z + (z_hat - z).detach()

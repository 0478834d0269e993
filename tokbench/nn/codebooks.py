"""Codebooks over their life: how they start, whether they are used, and what revives them.

Axes: N items, d latent, M levels, K codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from tokbench.errors import CollapseError
from tokbench.nn.kmeans import kmeans, pooled_residual_kmeans, residual_kmeans
from tokbench.nn.residual import ResidualQuantizer

Initialisation = Literal["first-batch", "residuals"]


@torch.no_grad()
def initialise_codebooks(
    quantizer: ResidualQuantizer, z: Tensor, how: Initialisation, *, seed: int
) -> None:
    """Fill the codebooks by k-means of latents z [N, d].

    "first-batch" is the paper's reading: every codebook starts as the centroids of z itself, so
    the deeper levels, whose residuals are shorter, begin with code vectors that are too long for
    them. "residuals" gives each level the centroids of what is left for it, and a codebook that
    serves all levels those of all residuals pooled.
    """
    books, size, _ = quantizer.codebooks.shape
    points = z.float().cpu().numpy()
    if how == "first-batch":
        start = kmeans(points, size, seed=seed)[None].repeat(books, axis=0)
    elif quantizer.shared:
        start = pooled_residual_kmeans(points, size, quantizer.levels, seed=seed)
    else:
        start = residual_kmeans(points, size, books, seed=seed)
    quantizer.codebooks.copy_(torch.from_numpy(start))


@torch.no_grad()
def restart_unused_codes(
    quantizer: ResidualQuantizer, z: Tensor, codes: Tensor, generator: torch.Generator
) -> int:
    """Move code vectors that `codes` [*, M] never names onto residuals of random rows of z [N, d].

    Returns how many moved. A shared codebook's vector is unused when no level names it.
    """
    levels, r = quantizer.levels, quantizer(z).r  # r [N, M, d]
    moved = 0
    for book in range(len(quantizer.codebooks)):
        served = range(levels) if quantizer.shared else [book]
        unused = torch.ones(quantizer.codebooks.shape[1], dtype=torch.bool, device=z.device)
        unused[codes[:, list(served)].flatten()] = False
        count = int(unused.sum())
        pool = r[:, list(served)].flatten(0, 1)
        picked = torch.randint(len(pool), (count,), generator=generator).to(z.device)
        quantizer.codebooks[book, unused] = pool[picked]
        moved += count
    return moved


def codebook_use(codes: Tensor, codebook_size: int) -> dict[str, float]:
    """How codes [N, M] spread: per level the share of codes used and the entropy as a share of
    ln K, and the number of distinct tuples."""
    use: dict[str, float] = {}
    for level in range(codes.shape[1]):
        counts = torch.bincount(codes[:, level], minlength=codebook_size).double()
        entropy = torch.special.entr(counts / counts.sum()).sum()
        scale = torch.log(torch.tensor(float(codebook_size)))
        use[f"used_{level + 1}"] = float((counts > 0).double().mean())
        use[f"entropy_{level + 1}"] = float(entropy / scale) if codebook_size > 1 else 0.0
    use["distinct"] = float(len(torch.unique(codes, dim=0)))
    return use


@dataclass(frozen=True)
class CollapseWatch:
    """Stops a run whose codes no longer tell items apart.

    `bound`: distinct tuples that there must be at the end. Half-way through, a tenth of it is
    asked for: codebooks fill slowly, but those that collapse are down to a handful by then.
    """

    component: str
    items: int
    bound: float
    remedy: str

    @classmethod
    def over(
        cls, x: Tensor, *, tuples: int, share: float, component: str, remedy: str
    ) -> CollapseWatch:
        """A watch that asks for `share` of what can be had: items with equal inputs x [N, D]
        cannot differ, and there are only `tuples` = K^M."""
        separable = len({row.tobytes() for row in x.cpu().numpy()})
        return cls(component, len(x), share * min(separable, tuples), remedy)

    def check(self, distinct: float, *, done: float) -> None:
        """Raises CollapseError; `done` is the share of training that lies behind."""
        needed = self.bound if done >= 1 else self.bound / 10 if done >= 0.5 else 0.0
        if distinct < needed:
            raise CollapseError(
                self.component, distinct=int(distinct), items=self.items, remedy=self.remedy
            )

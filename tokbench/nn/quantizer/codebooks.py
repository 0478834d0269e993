"""Codebooks over their life: how they start, whether they are used, and what revives them.

Axes: N items, d latent, M levels, K codes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from tokbench.errors import CollapseError
from tokbench.nn.kmeans.centroids import kmeans
from tokbench.nn.kmeans.residual import pooled_residual_kmeans, residual_kmeans
from tokbench.nn.quantizer.residual import ResidualQuantizer

Initialisation = Literal["first-batch", "first-batch-residuals", "residuals"]


@torch.no_grad()
def initialise_codebooks(
    quantizer: ResidualQuantizer, z: Tensor, how: Initialisation, *, seed: int
) -> None:
    """Fill the codebooks by k-means of latents z [N, d].

    "first-batch": every codebook starts as the centroids of z itself (separate ones as copies of
    one set), so the deeper levels, whose residuals are shorter, begin with code vectors that are
    too long for them. The other two give each level the centroids of what is left for it, and a
    codebook that serves all levels those of all residuals pooled; they differ in what z is.
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
    quantizer: ResidualQuantizer,
    latents: Callable[[Tensor], Tensor],
    items: int,
    codes: Tensor,
    generator: torch.Generator,
) -> int:
    """Move code vectors that `codes` [*, M] never names onto residuals of random items.

    `latents(rows)` gives z [n, d] of some of the `items` rows: only those picked are encoded.
    Returns how many moved. A shared codebook's vector is unused when no level names it.
    """
    books, size, _ = quantizer.codebooks.shape
    unused, rows, levels = [], [], []
    for book in range(books):
        served = range(quantizer.levels) if quantizer.shared else [book]
        free = torch.ones(size, dtype=torch.bool, device=codes.device)
        free[codes[:, list(served)].flatten()] = False
        picked = torch.randint(items * len(served), (int(free.sum()),), generator=generator)
        unused.append(free)
        rows.append(picked // len(served))
        levels.append(picked % len(served) + served[0])
    moved = sum(map(len, rows))
    if moved:
        at = torch.cat(rows).to(codes.device), torch.cat(levels).to(codes.device)
        r = quantizer(latents(at[0])).r  # [moved, M, d]
        free_codes = torch.stack(unused)
        quantizer.codebooks[free_codes] = r[torch.arange(moved, device=codes.device), at[1]]
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
        rows = (row.data for row in x.cpu().numpy())
        separable = len({hashlib.blake2b(row, digest_size=16).digest() for row in rows})
        return cls(component, len(x), share * min(separable, tuples), remedy)

    def check(self, distinct: float, *, done: float) -> None:
        """Raises CollapseError; `done` is the share of training that lies behind."""
        needed = self.bound if done >= 1 else self.bound / 10 if done >= 0.5 else 0.0
        if distinct < needed:
            raise CollapseError(
                self.component, distinct=int(distinct), items=self.items, remedy=self.remedy
            )

"""CoST aligned with the k nearest neighbours of an item instead of the item alone.

Zhu et al., RecSys 2024, doi 10.1145/3640457.3688178, name it as future work: their contrast
(Eq. 4) asks that an item's own reconstruction be the nearest, and knows nothing of the second and
third. Here the target is spread over the k inputs of the batch that are nearest to the item; with
k = 1 it is the item alone, and codes are CoST's bit for bit.

Axes: N items, B batch, D input, k neighbours (the item itself is the first of them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from tokbench import hookimpl, option
from tokbench.tokenizers.cost import Cost

if TYPE_CHECKING:  # torch is imported where it is used, so that listing tokenizers stays fast
    from numpy.typing import NDArray
    from torch import Tensor

    from tokbench.nn.quantizer import Batch, Order, QuantizedAutoencoder, Terms
    from tokbench.types import Catalog


class CostTopk(Cost):
    """CoST whose target is a soft choice among the k nearest items of the batch."""

    name: ClassVar[str] = "cost-topk"
    citation: ClassVar[str] = (
        "future work of Zhu et al., CoST, RecSys 2024, doi 10.1145/3640457.3688178"
    )

    class Config(Cost.Config):
        """Options of CoST, and those of the neighbourhood."""

        neighbours: int = option(
            5, ge=1, symbol="k", description="nearest items that share a target, the item included"
        )
        target_temperature: float = option(
            0.1,
            gt=0,
            symbol="tau_t",
            description="of the softmax that spreads the target; where it equals temperature, "
            "reconstructions are asked to keep the cosines of their inputs",
        )
        batches: Literal["random", "neighbours"] = option(
            "neighbours",
            description="neighbours: an item comes with its k - 1 nearest of the catalogue, as far "
            "as the epoch has not had them; random: it meets them by chance",
        )

    config: Config
    presets = {
        **Cost.presets,
        "random-batches": {"batches": "random"},
    }

    def terms(self, batch: Batch) -> Terms:
        """CoST's, with the soft contrast in place of its contrast."""
        c = self.config
        contrast = topk_contrastive_loss(
            batch.x,
            batch.x_hat,
            k=c.neighbours,
            tau=c.temperature,
            target_tau=c.target_temperature,
            mask_duplicates=c.mask_duplicates,
        )
        return {**super().terms(batch), "contrastive": (c.contrastive_weight, contrast)}

    def order(self, catalog: Catalog, model: QuantizedAutoencoder) -> Order | None:
        """Neighbours side by side, unless there are none or batches are to be random."""
        import torch

        from tokbench.nn.quantizer import neighbour_order

        if self.config.batches == "random" or self.config.neighbours == 1:
            return None
        embeddings = torch.tensor(catalog.embeddings, device=model.mean.device)
        return neighbour_order(nearest(model.standardize(embeddings), self.config.neighbours - 1))


def topk_contrastive_loss(
    x: Tensor,
    x_hat: Tensor,
    *,
    k: int,
    tau: float,
    target_tau: float,
    mask_duplicates: bool = False,
) -> Tensor:
    """-sum_j q_bj log softmax_j(<x_b, x_hat_j> / tau): sum over j in the batch, mean over b.

    q_b = softmax_j(<x_b, x_j> / target_tau) over the k items of the batch nearest to x_b, of which
    b is always the first; 0 elsewhere. <.,.> is the cosine; x [B, D] and x_hat [B, D]. With
    `mask_duplicates` other items whose input equals x_b are neither negatives nor neighbours.
    """
    import torch
    import torch.nn.functional as F

    from tokbench.nn.quantizer import equal_rows

    unit = F.normalize(x, dim=-1)
    logits = unit @ F.normalize(x_hat, dim=-1).T / tau  # [B, B]
    alike = unit @ unit.T
    if mask_duplicates:
        twins = equal_rows(x).fill_diagonal_(False)
        logits, alike = logits.masked_fill(twins, -torch.inf), alike.masked_fill(twins, -torch.inf)
    alike.fill_diagonal_(2.0)  # above every cosine: an item comes before its duplicates
    alike, near = alike.topk(min(k, len(x)), dim=-1)  # [B, k]
    alike[:, 0] = 1.0
    q = (alike / target_tau).softmax(dim=-1)
    log_p = logits.log_softmax(dim=-1).gather(1, near)
    return -(q * log_p.masked_fill(q == 0, 0.0)).sum(dim=-1).mean()


def nearest(x: Tensor, count: int) -> NDArray[np.int64]:
    """[N, count] the nearest other rows of x [N, D] by cosine, or as many as there are."""
    import torch
    import torch.nn.functional as F

    from tokbench.api import batches

    unit = F.normalize(x, dim=-1)
    rows = []
    for block in batches(len(x), 1024):
        alike = unit[block] @ unit.T
        own = torch.arange(len(x), device=x.device)[block, None]
        alike.scatter_(1, own, -torch.inf)
        rows.append(alike.topk(min(count, len(x) - 1), dim=-1).indices.cpu())
    return torch.cat(rows).numpy()


@hookimpl
def register_tokenizers() -> list[type[CostTopk]]:
    """What this package offers."""
    return [CostTopk]

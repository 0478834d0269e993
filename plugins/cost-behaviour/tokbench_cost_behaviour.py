"""CoST whose positives are also the items that people chose together.

Zhu et al. (RecSys 2024, doi 10.1145/3640457.3688178) name user behaviour as future work; COSETTE
(Lepage et al., arXiv 2508.14910) trains codes by a contrast between co-occurring items. Here an
item's target in Eq. 4 is shared: one part stays with its own reconstruction, the other goes to the
reconstructions of the items that stand near it in training sequences. With a share of 0, codes are
CoST's bit for bit.

Axes: N items, B batch, D input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from tokbench import hookimpl, option
from tokbench.errors import ConfigError
from tokbench.tokenizers.cost import Cost

if TYPE_CHECKING:  # torch and scipy are imported where they are used, so that listing stays fast
    from numpy.typing import NDArray
    from scipy.sparse import csr_array
    from torch import Tensor

    from tokbench.nn.quantizer import Batch, LossTerms, Order, QuantizedAutoencoder, Terms
    from tokbench.types import Catalog


class CostBehaviour(Cost):
    """CoST that also brings the codes of items chosen together towards each other."""

    name: ClassVar[str] = "cost-behaviour"
    citation: ClassVar[str] = (
        "idea of Lepage et al., COSETTE, arXiv 2508.14910; on Zhu et al., CoST, RecSys 2024"
    )
    uses_interactions: ClassVar[bool] = True

    class Config(Cost.Config):
        """Options of CoST, and those of the behaviour."""

        behaviour_share: float = option(
            0.5, ge=0, le=1, description="part of the target that goes to co-occurring items"
        )
        window: int = option(
            5, ge=1, description="items of a sequence co-occur when at most so many apart"
        )
        batches: Literal["random", "partners"] = option(
            "partners",
            description="partners: an item comes with those it co-occurs with most, as far as the "
            "epoch has not had them; random: it meets them by chance",
        )
        partners: int = option(4, ge=1, description="items that an item brings along, at most")

    config: Config
    presets = {
        **Cost.presets,
        "random-batches": {"batches": "random"},
    }
    deviations: ClassVar[Sequence[str]] = (
        *Cost.deviations,
        "of COSETTE the idea only: its positives are co-occurring items, here beside an item's own "
        "reconstruction and inside CoST's one contrast",
    )

    def losses(self, catalog: Catalog, model: QuantizedAutoencoder) -> LossTerms:
        """CoST's terms with the shared target. Raises ConfigError without interactions."""
        import torch

        c, counts = self.config, self.counts(catalog)

        def terms(batch: Batch) -> Terms:
            rows = batch.rows.cpu().numpy()
            together = torch.from_numpy(counts[rows][:, rows].toarray()).to(batch.x)
            contrast = behaviour_contrastive_loss(
                batch.x,
                batch.x_hat,
                together,
                share=c.behaviour_share,
                tau=c.temperature,
                mask_duplicates=c.mask_duplicates,
            )
            return {**self.terms(batch), "contrastive": (c.contrastive_weight, contrast)}

        return terms

    def order(self, catalog: Catalog, model: QuantizedAutoencoder) -> Order | None:
        """Partners side by side, unless they have no share or batches are to be random."""
        from tokbench.nn.quantizer import neighbour_order

        if self.config.batches == "random" or not self.config.behaviour_share:
            return None
        return neighbour_order(most_frequent(self.counts(catalog), self.config.partners))

    def counts(self, catalog: Catalog) -> csr_array:
        """How often two items co-occur in the training sequences, [N, N]."""
        from tokbench.nn.cooccurrence import cooccurrences

        rows = catalog.interactions
        if rows is None:
            raise ConfigError(
                "cost-behaviour needs training interactions, and this catalogue has none (run it "
                "through tokbench, or set Catalog.interactions)"
            )
        return cooccurrences(rows.offsets, rows.items, len(catalog), window=self.config.window)


def behaviour_contrastive_loss(
    x: Tensor,
    x_hat: Tensor,
    together: Tensor,
    *,
    share: float,
    tau: float,
    mask_duplicates: bool = False,
) -> Tensor:
    """-sum_j q_bj log softmax_j(<x_b, x_hat_j> / tau): sum over j in the batch, mean over b.

    q_bb = 1 - share, and q_bj = share n_bj / sum_i n_bi over the others, where n [B, B]
    (`together`, its diagonal zero) counts how often they co-occur; q_bb = 1 where an item co-occurs
    with none of the batch. <.,.> is the cosine. With `mask_duplicates` other items whose input
    equals x_b are neither negatives nor positives.
    """
    import torch
    import torch.nn.functional as F

    from tokbench.nn.quantizer import equal_rows

    logits = F.normalize(x, dim=-1) @ F.normalize(x_hat, dim=-1).T / tau  # [B, B]
    if mask_duplicates:
        twins = equal_rows(x).fill_diagonal_(False)
        logits, together = logits.masked_fill(twins, -torch.inf), together.masked_fill(twins, 0)
    total = together.sum(dim=-1, keepdim=True)
    q = share * together / total.clamp(min=1)
    own = torch.where(total > 0, 1 - share, torch.ones_like(total))
    q = q + torch.diag_embed(own.squeeze(-1))
    log_p = logits.log_softmax(dim=-1)
    return -(q * log_p.masked_fill(q == 0, 0.0)).sum(dim=-1).mean()


def most_frequent(counts: csr_array, most: int) -> list[NDArray[np.int64]]:
    """For each item the items it co-occurs with most, at most `most`; ties by item number."""
    found = []
    for start, stop in zip(counts.indptr[:-1], counts.indptr[1:], strict=True):
        others, often = counts.indices[start:stop], counts.data[start:stop]
        best = np.lexsort((others, -often))[:most]
        found.append(others[best].astype(np.int64))
    return found


@hookimpl
def register_tokenizers() -> list[type[CostBehaviour]]:
    """What this package offers."""
    return [CostBehaviour]

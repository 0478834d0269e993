"""CoST: the quantizer of RQ-VAE trained by contrast, L_co = alpha L_cl + L_rq (Eq. 4, 5).

Zhu et al., RecSys 2024, doi 10.1145/3640457.3688178, arXiv 2404.14774. Instead of the distance to
its own embedding, an item's reconstruction is asked to be closer to it than those of the other
items of the batch, which keeps neighbours apart and neighbourhoods intact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from tokbench.api import option
from tokbench.tokenizers.rqvae import (
    DEVIATIONS,
    FIRST_BATCH_RESIDUALS,
    LITERAL,
    SPACE,
    TOY,
    TUNED,
    RqVae,
)

if TYPE_CHECKING:
    from tokbench.nn.quantizer.autoencoder import Batch
    from tokbench.nn.quantizer.fit import Terms


class Cost(RqVae):
    """L_co: codes whose reconstructions tell an item from its neighbours."""

    name: ClassVar[str] = "cost"
    version: ClassVar[int] = 2
    steps_are_alike: ClassVar[bool] = True
    citation: ClassVar[str] = "Zhu et al., CoST, RecSys 2024, doi 10.1145/3640457.3688178"

    class Config(RqVae.Config):
        """Options of RQ-VAE, and those of the contrast."""

        contrastive_weight: float = option(
            0.1, symbol="alpha", ge=0, description="weight of L_cl (Eq. 5)"
        )
        temperature: float = option(0.1, symbol="tau", gt=0, description="of the softmax in Eq. 4")
        mask_duplicates: bool = option(
            False, description="items with exactly equal embeddings are no negatives of each other"
        )
        reconstruction_weight: float = option(
            0.0, ge=0, description="weight of L_mse (Eq. 2); 1 gives L_re + L_co"
        )
        quantization_weight: float = option(
            1.0, ge=0, description="weight of L_rq (Eq. 3); L_re + L_co as printed counts it twice"
        )

    space = {**SPACE, "temperature": "0.03..0.5:log", "contrastive_weight": "0.03..1:log"}
    config: Config
    presets = {
        "with-reconstruction": {"reconstruction_weight": 1.0},
        "tuned": TUNED,
        "with-reconstruction-tuned": {**TUNED, "reconstruction_weight": 1.0},
        "paper-literal": LITERAL,
        "first-batch-residuals": FIRST_BATCH_RESIDUALS,
        "toy": TOY,
    }
    deviations: ClassVar[Sequence[str]] = (
        *DEVIATIONS,
        "with reconstruction, L_rq counts once; the printed sum L_re + L_co has it twice "
        "(quantization_weight=2)",
    )

    def terms(self, batch: Batch) -> Terms:
        """Those of RQ-VAE and the contrast."""
        from tokbench.nn.quantizer.losses import contrastive_loss

        c = self.config
        contrast = contrastive_loss(
            batch.x, batch.x_hat, c.temperature, mask_duplicates=c.mask_duplicates
        )
        return {**super().terms(batch), "contrastive": (c.contrastive_weight, contrast)}

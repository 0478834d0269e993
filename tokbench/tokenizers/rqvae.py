"""RQ-VAE: an autoencoder with a residually quantized latent; L_re = L_mse + L_rq (Eq. 1).

Lee et al., CVPR 2022; as a tokenizer of items: Rajput et al., NeurIPS 2023 (TIGER). Settings and
equations follow the CoST paper (RecSys 2024, arXiv 2404.14774, Sec. 3.1 and 4.1).

A relative with another loss is a subclass that adds to `terms` (see cost.py). One whose loss needs
data beside the embeddings (training interactions, say) makes its terms in `losses`, which sees the
catalogue, and one that wants items to meet in a batch says so in `order`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import field_validator

from tokbench import api
from tokbench.api import Runtime, Tokenizer, option
from tokbench.errors import ConfigError
from tokbench.types import Catalog, Codes, Floats, SemanticIds

if TYPE_CHECKING:  # torch is imported where it is used, so that listing tokenizers stays fast
    import torch

    from tokbench.nn.quantizer.autoencoder import Batch, QuantizedAutoencoder
    from tokbench.nn.quantizer.codebooks import CollapseWatch
    from tokbench.nn.quantizer.fit import LossTerms, Order, QuantizerTraining, Terms


LITERAL: dict[str, Any] = {  # the paper's values (Sec. 4.1) where the defaults depart from them
    "initialisation": "first-batch",
    "learning_rate": 1e-4,
    "minimum_steps": 0,
    "residual_gradient": True,
    "restart_unused": False,
}
# The same with the other reading of the first batch: SoundStream's, whom the paper cites for it.
FIRST_BATCH_RESIDUALS = {**LITERAL, "initialisation": "first-batch-residuals"}
# One recipe for every loss, chosen by validation NDCG@10 on office-5core alone, then frozen
# (benchmarks/tokenizer_recipe/selection.jsonl, docs/quantizer-recipe.md).
TUNED = {"codebooks": "separate"}
SPACE = {  # of `tokbench tune`, the same for every loss
    "learning_rate": "3e-4..3e-3:log",
    "commitment_weight": "0.05..1:log",
    "codebooks": "shared,separate",
    "minimum_steps": "1000,2000,4000",
}
TOY = {"minimum_steps": 200}  # three hundred items are learnt in seconds
DEVIATIONS = (
    "codebooks start from the residuals of all levels over the whole catalogue, not from the first "
    "batch's latents alone: those leave the deeper levels no code vector short enough for what is "
    "left over, and nearly all items end on a handful of tuples",
    "codes that an epoch did not use move onto residuals of random items",
    "learning rate 1e-3 instead of 1e-4, at which the decoder is far from trained in the 1,000 "
    "steps that 100 epochs are on a small catalogue",
    "residuals subtract sg(e), so that a level's commitment does not move the codebooks before it; "
    "as Eq. 3 is written it does (residual_gradient=true)",
    "at least 1,000 steps, since 100 epochs of a few hundred items are only as many steps",
)


@dataclass(frozen=True)
class FittedQuantizer:
    """A trained quantizer: codes any embedding of the encoder it was trained on, seen or not."""

    model: QuantizedAutoencoder
    device: str

    def encode(self, embeddings: Floats) -> Codes:
        """Embeddings [N, D] to codes int32 [N, M]."""
        import torch

        from tokbench.nn.quantizer.autoencoder import BLOCK

        blocks = api.batches(len(embeddings), BLOCK)  # the table itself need not fit the device
        codes = [
            self.model.encode(torch.tensor(embeddings[block], device=self.device)).cpu()
            for block in blocks
        ]
        return torch.cat(codes).numpy().astype(np.int32)

    def decode(self, codes: Codes) -> Floats:
        """Codes [N, M] to reconstructions of the embeddings, float32 [N, D]."""
        import torch

        chosen = torch.tensor(codes, dtype=torch.int64, device=self.device)
        x_hat: Floats = self.model.decode(chosen).cpu().numpy()
        return x_hat

    @property
    def parameters(self) -> int:
        """How many numbers were learnt."""
        return sum(weights.numel() for weights in self.model.parameters())


class RqVae(Tokenizer):
    """L_re: codes from which the embedding can be reconstructed."""

    name: ClassVar[str] = "rqvae"
    version: ClassVar[int] = 2
    # `terms` does the same with every batch, so that a GPU may record a step and replay it. Not
    # inherited: a subclass brings terms of its own, and says so for itself.
    steps_are_alike: ClassVar[bool] = True
    citation: ClassVar[str] = "Rajput et al., TIGER, NeurIPS 2023; Lee et al., RQ-VAE, CVPR 2022"
    presets = {
        "tuned": TUNED,
        "paper-literal": LITERAL,
        "first-batch-residuals": FIRST_BATCH_RESIDUALS,
        "toy": TOY,
    }
    deviations: ClassVar[Sequence[str]] = DEVIATIONS

    class Config(api.Config):
        """Options of every tokenizer built on a residually quantized autoencoder."""

        levels: int = option(3, symbol="M", ge=1, le=8, description="codes per item")
        codebook_size: int = option(64, symbol="K", ge=2, description="codes at each level")
        latent_dim: int = option(96, symbol="d", ge=1, description="width of the latent")
        hidden: tuple[int, ...] = option(
            (512, 256, 128), description="widths of the encoder's hidden layers; decoder mirrored"
        )
        codebooks: Literal["shared", "separate"] = option(
            "shared", description="one codebook for all levels, or one for each"
        )
        initialisation: Literal["first-batch", "first-batch-residuals", "residuals"] = option(
            "residuals",
            paper=LITERAL["initialisation"],
            description="codebooks start as k-means centroids: all of the first batch's latents "
            "(separate ones alike); or of the residuals of the first batch, or of the whole "
            "catalogue, level by level (pooled if shared)",
        )
        standardize: Literal["none", "center", "zscore"] = option(
            "none", description="remove the embeddings' mean; zscore also divides by the deviation"
        )
        commitment_weight: float = option(
            0.25, symbol="beta", ge=0, description="pull of the encoder towards its codes (Eq. 3)"
        )
        reconstruction_weight: float = option(1.0, ge=0, description="weight of L_mse (Eq. 2)")
        quantization_weight: float = option(1.0, ge=0, description="weight of L_rq (Eq. 3)")
        epochs: int = option(100, ge=1, description="passes over the catalogue")
        minimum_steps: int = option(
            1000,
            paper=LITERAL["minimum_steps"],
            ge=0,
            description="train for more epochs until there were this many steps",
        )
        warmup_epochs: int = option(
            0, ge=0, description="extra epochs without quantization, before codebooks are made"
        )
        batch_size: int = option(
            256,
            ge=1,
            description="items per step; an epoch's incomplete batch is left out",
        )
        learning_rate: float = option(
            1e-3, paper=LITERAL["learning_rate"], gt=0, description="of Adam"
        )
        residual_gradient: bool = option(
            False,
            added=True,
            paper=LITERAL["residual_gradient"],
            description="residuals carry the gradient of the code vectors taken off, so that "
            "commitment (Eq. 3) moves the codebooks of earlier levels too",
        )
        restart_unused: bool = option(
            True,
            paper=LITERAL["restart_unused"],
            description="after each epoch move unused codes onto residuals of random items",
        )
        minimum_distinct: float = option(
            0.1,
            ge=0,
            le=1,
            description="share of the distinct embeddings that must get a tuple of their own; "
            "below it the codebooks count as collapsed and the run stops",
        )

        @field_validator("hidden")
        @classmethod
        def widths_are_positive(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
            """A layer has one unit at least; no hidden layer at all is allowed."""
            if any(width < 1 for width in widths):
                raise ValueError("every width is 1 or more")
            return widths

    space = SPACE

    config: Config

    def terms(self, batch: Batch) -> Terms:
        """Named losses with their weights; the weighted sum is minimised."""
        from tokbench.nn.quantizer.losses import quantization_loss, reconstruction_loss

        c = self.config
        named = {
            "quantization": (
                c.quantization_weight,
                quantization_loss(batch.r, batch.e, c.commitment_weight),
            )
        }
        if c.reconstruction_weight:
            named["reconstruction"] = (
                c.reconstruction_weight,
                reconstruction_loss(batch.x, batch.x_hat),
            )
        return named

    def losses(self, catalog: Catalog, model: QuantizedAutoencoder) -> LossTerms:
        """What training calls with every batch: `terms`, or a closure over data of its own."""
        return self.terms

    def order(self, catalog: Catalog, model: QuantizedAutoencoder) -> Order | None:
        """Draws the order of the items in an epoch, batch after batch; None is at random."""
        return None

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        """Train on the catalogue and code it."""
        fitted = self.fit(catalog, seed=seed, runtime=runtime)
        codes = fitted.encode(catalog.embeddings)
        runtime.keep(parameters=fitted.parameters, decode=fitted.decode)
        return SemanticIds(codes, (self.config.codebook_size,) * self.config.levels)

    def fit(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> FittedQuantizer:
        """Train on the catalogue's embeddings. Raises ConfigError when it has fewer items than
        codes, CollapseError when training ends in too few distinct codes."""
        import torch

        from tokbench.nn.devices import resident
        from tokbench.nn.quantizer.fit import train_quantizer

        require_items(self.name, len(catalog), self.config.codebook_size)
        generator = torch.Generator().manual_seed(seed)
        embeddings = resident(catalog.embeddings, runtime.device)
        model = self.untrained(embeddings.shape[1], generator).to(runtime.device)
        model.standardize_by(embeddings, self.config.standardize)
        x = model.standardize(embeddings)
        watch = self.watch(x)
        train_quantizer(
            model,
            x,
            self.losses(catalog, model),
            self.schedule(),
            watch,
            generator=generator,
            runtime=runtime,
            order=self.order(catalog, model),
            alike=vars(type(self)).get("steps_are_alike", False),
        )
        return FittedQuantizer(model, runtime.device)

    def untrained(self, input_dim: int, generator: torch.Generator) -> QuantizedAutoencoder:
        """Encoder, quantizer and decoder before training."""
        from tokbench.nn.quantizer.autoencoder import QuantizedAutoencoder
        from tokbench.nn.quantizer.residual import ResidualQuantizer

        c = self.config
        quantizer = ResidualQuantizer(
            levels=c.levels,
            codebook_size=c.codebook_size,
            latent_dim=c.latent_dim,
            shared=c.codebooks == "shared",
            stop=not c.residual_gradient,
        )
        return QuantizedAutoencoder(
            quantizer, input_dim=input_dim, hidden=c.hidden, generator=generator
        )

    def schedule(self) -> QuantizerTraining:
        """The training loop's share of the options."""
        from tokbench.nn.quantizer.fit import QuantizerTraining

        return QuantizerTraining(
            **{f.name: getattr(self.config, f.name) for f in fields(QuantizerTraining)}
        )

    def watch(self, x: torch.Tensor) -> CollapseWatch:
        """What stops the training of a collapsed quantizer on x [N, D]."""
        from tokbench.nn.quantizer.codebooks import CollapseWatch

        c = self.config
        return CollapseWatch.over(
            x,
            tuples=c.codebook_size**c.levels,
            share=c.minimum_distinct,
            component=self.name,
            remedy=remedy(c),
        )


def remedy(config: RqVae.Config) -> str:
    """What to set when the codebooks collapsed: whatever is not yet as in settings that train."""
    train = {"initialisation": "residuals", "restart_unused": True, "codebooks": "separate"}
    changes = [f"{name}={value}" for name, value in train.items() if getattr(config, name) != value]
    if config.learning_rate < 1e-3:
        changes.append("learning_rate=1e-3")
    wanted = " ".join(f"--set tokenizer.{change}" for change in changes)
    return wanted or "train longer (minimum_steps), or accept it by a lower minimum_distinct"


def require_items(component: str, items: int, codebook_size: int) -> None:
    """Raises ConfigError when there are fewer items than codes in a codebook."""
    if items < codebook_size:
        raise ConfigError(
            f"{component}: codebook_size={codebook_size} needs at least as many items, the "
            f"catalogue has {items} (set tokenizer.codebook_size to {max(2, items)} or less)"
        )

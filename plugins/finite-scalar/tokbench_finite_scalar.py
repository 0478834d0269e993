"""Finite scalar quantization (FSQ): rounding instead of codebooks.

Mentzer et al., ICLR 2024, arXiv 2309.15505. An autoencoder whose latent has a few dimensions per
code; each is bounded by tanh and rounded to one of L_i values, with a straight-through gradient.
The K = prod L_i combinations are the codes, so no codebook is learned and none can collapse onto a
few vectors; the only loss is the reconstruction. The quantizer is vector-quantize-pytorch's.

Axes: N items, B batch, D embedding width, M levels, s scalars per code, K codes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import field_validator

import tokbench
from tokbench import Catalog, Runtime, SemanticIds, Tokenizer, hookimpl, option
from tokbench.types import Codes, Floats

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Trained:
    """Standardisation, encoder, quantizer and decoder, after training."""

    mean: torch.Tensor  # [D]
    scale: torch.Tensor  # [D]
    encoder: Any  # [B, D] -> [B, M s]
    quantizer: Any  # [B, 1, M s] -> the same, and codes [B, 1, M]
    decoder: Any  # [B, M s] -> [B, D]

    def standardize(self, embeddings: Floats) -> torch.Tensor:
        """Embeddings [N, D] to x [N, D]."""
        import torch

        return (torch.tensor(embeddings, device=self.mean.device) - self.mean) / self.scale

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """x [B, D] through the quantizer and back."""
        z_hat, _ = self.quantizer(self.encoder(x)[:, None])
        x_hat: torch.Tensor = self.decoder(z_hat[:, 0])
        return x_hat

    def encode(self, embeddings: Floats) -> Codes:
        """Embeddings [N, D] to codes [N, M]."""
        import torch

        with torch.no_grad():
            _, codes = self.quantizer(self.encoder(self.standardize(embeddings))[:, None])
        return np.asarray(codes[:, 0].cpu().numpy(), np.int32)

    def decode(self, codes: Codes) -> Floats:
        """Codes [N, M] to reconstructions of the embeddings, float32 [N, D]."""
        import torch

        with torch.no_grad():
            chosen = torch.tensor(codes, dtype=torch.int64, device=self.mean.device)
            x_hat = self.decoder(self.quantizer.indices_to_codes(chosen[:, None])[:, 0])
            return np.asarray((x_hat * self.scale + self.mean).cpu().numpy(), np.float32)

    @property
    def parameters(self) -> int:
        """How many numbers were learnt."""
        weights = [*self.encoder.parameters(), *self.decoder.parameters()]
        return sum(weight.numel() for weight in weights)


class FiniteScalar(Tokenizer):
    """A latent of a few scalars per code, each rounded to a few values; no codebook."""

    name = "finite-scalar"
    citation = "Mentzer et al., Finite scalar quantization, ICLR 2024, arXiv 2309.15505"
    presets = {
        "paper": {"scalars": (8, 6, 5)},
        "toy": {"minimum_steps": 300},
    }
    deviations = (
        "3 codes of 8 x 8 = 64 values, the shape of the other rows; the paper codes every patch of "
        "an image by one code of 240 = 8 x 6 x 5 values or more",
    )

    class Config(tokbench.Config):
        """The shape of the tuples, the autoencoder and its training."""

        levels: int = option(3, ge=1, le=8, symbol="M", description="codes per item")
        scalars: tuple[int, ...] = option(
            (8, 8),
            paper=(8, 6, 5),
            symbol="L",
            description="values that each scalar of a code can take; a code is one of their "
            "product (the paper advises 5 or more each)",
        )
        hidden: tuple[int, ...] = option(
            (512, 256, 128), description="widths of the encoder's hidden layers; decoder mirrored"
        )
        epochs: int = option(100, ge=1, description="passes over the catalogue")
        minimum_steps: int = option(
            2000, ge=0, description="train for more epochs until there were this many steps"
        )
        batch_size: int = option(
            256, ge=1, description="items per step; an epoch's incomplete batch is left out"
        )
        learning_rate: float = option(1e-3, gt=0, description="of Adam")
        minimum_distinct: float = option(
            0.1, ge=0, le=1,
            description="share of the distinct embeddings that must get a tuple of their own; "
            "below it the codes count as collapsed and the run stops",
        )  # fmt: skip

        @field_validator("scalars")
        @classmethod
        def scalars_can_be_rounded(cls, scalars: tuple[int, ...]) -> tuple[int, ...]:
            """Three values at least: rounding a bounded scalar to two has no symmetric form."""
            if not scalars or min(scalars) < 3 or math.prod(scalars) > 65536:
                raise ValueError("one scalar or more, of 3 or more values each, 65536 in all")
            return scalars

        @field_validator("hidden")
        @classmethod
        def widths_are_positive(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
            """A layer has one unit at least; no hidden layer at all is allowed."""
            if any(width < 1 for width in widths):
                raise ValueError("every width is 1 or more")
            return widths

    config: Config

    @property
    def codebook_size(self) -> int:
        """K: how many codes the scalars make."""
        return math.prod(self.config.scalars)

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        """Train on the catalogue and code it. Raises CollapseError for too few distinct tuples."""
        found = self.fit(catalog, seed=seed, runtime=runtime)
        codes = found.encode(catalog.embeddings)
        runtime.keep(parameters=found.parameters, decode=found.decode)
        return SemanticIds(codes, (self.codebook_size,) * self.config.levels)

    def fit(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> Trained:
        """Train on the catalogue's embeddings."""
        import torch

        from tokbench.nn.quantizer import CollapseWatch

        generator = torch.Generator().manual_seed(seed)
        embeddings = torch.tensor(catalog.embeddings, device=runtime.device)
        model = self.untrained(embeddings, generator)
        x = model.standardize(catalog.embeddings)
        self.train(model, x, generator, runtime)
        watch = CollapseWatch.over(
            x,
            tuples=self.codebook_size**self.config.levels,
            share=self.config.minimum_distinct,
            component=self.name,
            remedy="train longer (--set tokenizer.minimum_steps=...), or accept it by a lower "
            "minimum_distinct",
        )
        watch.check(len(np.unique(model.encode(catalog.embeddings), axis=0)), done=1.0)
        return model

    def untrained(self, embeddings: torch.Tensor, generator: torch.Generator) -> Trained:
        """The autoencoder before training; every input dimension gets mean 0 and deviation 1."""
        import torch
        from vector_quantize_pytorch import FSQ

        from tokbench.nn.quantizer import mlp

        deviation = embeddings.std(dim=0, correction=0)
        scale = torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation))
        c, device = self.config, embeddings.device
        sizes = [embeddings.shape[1], *c.hidden, len(c.scalars) * c.levels]
        return Trained(
            embeddings.mean(dim=0),
            scale,
            mlp(sizes, generator=generator).to(device),
            FSQ(list(c.scalars), num_codebooks=c.levels, keep_num_codebooks_dim=True).to(device),
            mlp(sizes[::-1], generator=generator).to(device),
        )

    def train(
        self, model: Trained, x: torch.Tensor, generator: torch.Generator, runtime: Runtime
    ) -> None:
        """Minimise ||x - x_hat||^2, summed over D, by Adam; a row of the curve for each epoch."""
        from tokbench.nn.quantizer import reconstruction_loss
        from tokbench.nn.training import FullBatches, minimise

        c = self.config
        minimise(
            lambda rows: reconstruction_loss(rows, model.reconstruct(rows)),
            x,
            [*model.encoder.parameters(), *model.decoder.parameters()],
            FullBatches.of(len(x), c.batch_size, epochs=c.epochs, minimum_steps=c.minimum_steps),
            learning_rate=c.learning_rate,
            runtime=runtime,
            generator=generator,
            name="reconstruction",
        )


@hookimpl
def register_tokenizers() -> list[type[Tokenizer]]:
    """What this package offers."""
    return [FiniteScalar]

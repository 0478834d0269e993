"""Residual vector quantization trained by gradients, on the embeddings themselves.

GRID's R-VQ (Ju et al., CIKM 2025, arXiv 2507.22224): the codebooks of RQ-VAE without its
autoencoder. Two options change how codebooks learn: SimVQ (arXiv 2411.02038) makes every codebook
a learned linear map of frozen random vectors, so that all codes move together; the rotation trick
(arXiv 2410.06424) replaces the straight-through gradient, which only matters where something
before the quantizer learns, so it asks for a linear projection (`latent_dim`). The quantizers are
vector-quantize-pytorch's. Its losses are means over dimensions; here they are made sums again.

Axes: N items, B batch, D embedding width, d latent, M levels, K codes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import model_validator

import tokbench
from tokbench import Catalog, Runtime, SemanticIds, Tokenizer, hookimpl, option
from tokbench.types import Codes, Floats

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Trained:
    """The centre [D], the projections (None for none) and the quantizer."""

    center: torch.Tensor
    down: Any  # [B, D] -> [B, d]
    quantizer: Any  # [B, 1, d] -> the same, codes [B, 1, M], losses [M]
    up: Any  # [B, d] -> [B, D]

    def latents(self, embeddings: Floats) -> torch.Tensor:
        """What is quantized: embeddings [N, D], centred and projected, to z [N, d]."""
        import torch

        x = torch.tensor(embeddings, device=self.center.device) - self.center
        return x if self.down is None else self.down(x)

    def encode(self, embeddings: Floats) -> Codes:
        """Embeddings [N, D] to codes [N, M]."""
        import torch

        self.quantizer.eval()
        with torch.no_grad():
            codes = self.quantizer(self.latents(embeddings)[:, None])[1]
        return np.asarray(codes[:, 0].cpu().numpy(), np.int32)

    def decode(self, codes: Codes) -> Floats:
        """Codes [N, M] to reconstructions of the embeddings, float32 [N, D]."""
        import torch

        self.quantizer.eval()
        with torch.no_grad():
            chosen = torch.tensor(codes, dtype=torch.int64, device=self.center.device)
            z_hat = self.quantizer.get_output_from_indices(chosen[:, None])[:, 0]
            x_hat = z_hat if self.up is None else self.up(z_hat)
            return np.asarray((x_hat + self.center).cpu().numpy(), np.float32)

    @property
    def parameters(self) -> int:
        """How many numbers were learnt."""
        modules = [module for module in (self.down, self.quantizer, self.up) if module is not None]
        return sum(weight.numel() for module in modules for weight in module.parameters())


class ResidualVq(Tokenizer):
    """Residual codebooks trained by gradients, without encoder and decoder."""

    name = "residual-vq"
    citation = (
        "Ju et al., GRID, CIKM 2025, arXiv 2507.22224 (R-VQ); Zhu et al., SimVQ, arXiv 2411.02038; "
        "Fifty et al., rotation trick, ICLR 2025, arXiv 2410.06424"
    )
    presets = {
        "paper": {"codebook_size": 256},
        "simvq": {"quantizer": "simvq"},
        "rotation": {"latent_dim": 96, "rotation_trick": True},
        "toy": {"minimum_steps": 200},
    }
    deviations = (
        "64 codes at each level, the shape of the other rows; GRID finds 3 levels of 256 best",
        "codebooks start as k-means of the whole catalogue, level by level; with simvq its maps "
        "start so that the codes spread as the residuals do",
    )

    class Config(tokbench.Config):
        """The shape of the tuples, the kind of codebook, and its training."""

        levels: int = option(3, ge=1, le=8, symbol="M", description="codes per item")
        codebook_size: int = option(
            64, ge=2, le=65536, symbol="K", paper=256, description="codes at each level"
        )
        quantizer: Literal["vq", "simvq"] = option(
            "vq", description="vq: free code vectors; simvq: a linear map of frozen random ones"
        )
        latent_dim: int = option(
            0, ge=0, symbol="d",
            description="width of a learned linear projection before the quantizer, and back; 0 "
            "quantizes the embeddings themselves",
        )  # fmt: skip
        rotation_trick: bool = option(
            False, description="gradients turn with the code vector instead of passing straight "
            "through; needs latent_dim, or there is nothing for them to reach",
        )  # fmt: skip
        epochs: int = option(100, ge=1, description="passes over the catalogue")
        minimum_steps: int = option(
            1000, ge=0, description="train for more epochs until there were this many steps"
        )
        batch_size: int = option(
            256, ge=1, description="items per step; an epoch's incomplete batch is left out"
        )
        learning_rate: float = option(1e-3, gt=0, description="of Adam")
        minimum_distinct: float = option(
            0.1, ge=0, le=1,
            description="share of the distinct embeddings that must get a tuple of their own; "
            "below it the codebooks count as collapsed and the run stops",
        )  # fmt: skip

        @model_validator(mode="after")
        def rotation_reaches_something(self) -> Self:
            """Refuse an option that would change nothing."""
            if self.rotation_trick and not self.latent_dim:
                raise ValueError(
                    "rotation_trick changes nothing without something to learn before the "
                    "quantizer: set latent_dim too, e.g. latent_dim=96"
                )
            return self

    config: Config

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        """Train on the catalogue and code it. Raises CollapseError for too few distinct tuples."""
        found = self.fit(catalog, seed=seed, runtime=runtime)
        codes = found.encode(catalog.embeddings)
        runtime.keep(parameters=found.parameters, decode=found.decode)
        return SemanticIds(codes, (self.config.codebook_size,) * self.config.levels)

    def fit(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> Trained:
        """Train on the catalogue's embeddings; the global random state is put back after."""
        import torch

        from tokbench.nn.devices import seeded
        from tokbench.nn.quantizer import CollapseWatch

        with seeded(seed, runtime.device):
            embeddings = torch.tensor(catalog.embeddings, device=runtime.device)
            model = self.untrained(embeddings)
            x = embeddings - model.center
            self.train(model, x, runtime)
        watch = CollapseWatch.over(
            x,
            tuples=self.config.codebook_size**self.config.levels,
            share=self.config.minimum_distinct,
            component=self.name,
            remedy="train longer (--set tokenizer.minimum_steps=...), or accept it by a lower "
            "minimum_distinct",
        )
        watch.check(len(np.unique(model.encode(catalog.embeddings), axis=0)), done=1.0)
        return model

    def untrained(self, embeddings: torch.Tensor) -> Trained:
        """Projections and quantizer before training, free codebooks by k-means."""
        import torch
        from torch import nn
        from vector_quantize_pytorch import ResidualSimVQ, ResidualVQ

        c, width = self.config, embeddings.shape[1]
        inner = c.latent_dim or width
        shape = {"dim": inner, "num_quantizers": c.levels, "codebook_size": c.codebook_size}
        if c.quantizer == "simvq":
            quantizer = ResidualSimVQ(**shape, rotation_trick=c.rotation_trick)
        else:
            quantizer = ResidualVQ(
                **shape, kmeans_init=True, learnable_codebook=True, ema_update=False,
                rotation_trick=c.rotation_trick,
            )  # fmt: skip
        down, up = nn.Linear(width, inner), nn.Linear(inner, width)
        center = embeddings.mean(dim=0)
        modules = (down, quantizer, up) if c.latent_dim else (None, quantizer, None)
        model = Trained(center, *(m.to(embeddings.device) if m else None for m in modules))
        with torch.no_grad():
            z = model.latents(embeddings.cpu().numpy())
            if c.quantizer == "simvq":
                shape_codes(model.quantizer, z)
            model.quantizer(z[:, None])  # the first pass makes free codebooks, from all items
        return model

    def train(self, model: Trained, x: torch.Tensor, runtime: Runtime) -> None:
        """Minimise the quantization loss, and with a projection the reconstruction too, both
        summed over dimensions, by Adam; a row of the curve for each epoch."""
        from tokbench.nn.training import FullBatches, minimise

        c = self.config
        plan = FullBatches.of(len(x), c.batch_size, epochs=c.epochs, minimum_steps=c.minimum_steps)
        modules = [m for m in (model.down, model.quantizer, model.up) if m is not None]
        weights = [weight for module in modules for weight in module.parameters()]
        loss = partial(self.loss, model)
        minimise(loss, x, weights, plan, learning_rate=c.learning_rate, runtime=runtime)

    def loss(self, model: Trained, x: torch.Tensor) -> torch.Tensor:
        """The sum over levels and dimensions of x [B, D], a mean over the batch only."""
        from tokbench.nn.quantizer import reconstruction_loss

        z = x if model.down is None else model.down(x)
        z_hat, _, losses = model.quantizer(z[:, None])
        total: torch.Tensor = losses.sum() * z.shape[1]
        if model.up is not None:
            total = total + reconstruction_loss(x, model.up(z_hat[:, 0]))
        return total


def shape_codes(quantizer: Any, z: torch.Tensor) -> None:
    """Start every map of SimVQ so that its codes spread as the residuals of z [N, d] do.

    The frozen vectors are draws of N(0, I / d), so W = sqrt(d) C^(1/2) gives codes of covariance C.
    The library's start has codes of one length for all levels, far too long for the deeper ones.
    """
    import torch

    for layer in quantizer.layers:
        centred = z - z.mean(dim=0)
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(z))
        root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
        layer.code_transform.weight.copy_(root * math.sqrt(z.shape[1]))
        z = z - layer(z[:, None])[0][:, 0]


@hookimpl
def register_tokenizers() -> list[type[Tokenizer]]:
    """What this package offers."""
    return [ResidualVq]

"""Residual quantization in an autoencoder: the model, its losses, its codebooks, its training."""

from __future__ import annotations

from tokbench.nn.quantizer.autoencoder import Batch, QuantizedAutoencoder
from tokbench.nn.quantizer.codebooks import CollapseWatch, codebook_use
from tokbench.nn.quantizer.fit import LossTerms, Order, QuantizerTraining, Terms, train_quantizer
from tokbench.nn.quantizer.losses import (
    contrastive_loss,
    equal_rows,
    quantization_loss,
    reconstruction_loss,
)
from tokbench.nn.quantizer.mlp import mlp
from tokbench.nn.quantizer.order import neighbour_order
from tokbench.nn.quantizer.residual import ResidualQuantizer

__all__ = [
    "Batch",
    "CollapseWatch",
    "LossTerms",
    "Order",
    "QuantizedAutoencoder",
    "QuantizerTraining",
    "ResidualQuantizer",
    "Terms",
    "codebook_use",
    "contrastive_loss",
    "equal_rows",
    "mlp",
    "neighbour_order",
    "quantization_loss",
    "reconstruction_loss",
    "train_quantizer",
]  # fmt: skip

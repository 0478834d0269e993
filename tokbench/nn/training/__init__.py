"""Training by gradient: the loop, the recipe, the step, the epoch that is kept."""

from __future__ import annotations

from tokbench.nn.training.full_batches import FullBatches, minimise
from tokbench.nn.training.gradient import Examples, GradientStep, train
from tokbench.nn.training.loop import Summed, run_epochs
from tokbench.nn.training.recipe import Recipe

__all__ = [
    "Examples", "FullBatches", "GradientStep", "Recipe", "Summed", "minimise", "run_epochs",
    "train",
]  # fmt: skip

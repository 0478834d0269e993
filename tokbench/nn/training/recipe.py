"""How to train by gradient: the options, and the optimizer and learning rates they stand for."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from tokbench.api import Config


@dataclass(frozen=True)
class Recipe:
    """How to train, and which epoch to keep.

    The words are those of a generator's Config; a default stands for what one does not offer.
    """

    batch_size: int
    epochs: int
    learning_rate: float
    schedule: Literal["constant", "inverse-sqrt", "cosine"] = "constant"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    eval_every: int = 1  # epochs between two validations
    patience: int = 20  # validations without a gain before training stops
    validation_users: int = 0  # 0 is all
    validation_width: int = 10  # of the beam search

    @classmethod
    def of(cls, config: Config) -> Recipe:
        """The recipe in a component's options."""
        names = [field.name for field in fields(cls) if hasattr(config, field.name)]
        return cls(**{name: getattr(config, name) for name in names})

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        """AdamW over all weights, in one kernel."""
        return torch.optim.AdamW(
            network.parameters(),
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
            fused=True,
        )

    def scheduler(self, optimizer: torch.optim.Optimizer, steps: int) -> LambdaLR:
        """Sets the rate of each of `steps` steps. (transformers' schedulers give the first step of
        a warm-up a rate of zero, and round an inverse square root otherwise.)"""
        return LambdaLR(optimizer, lambda done: self.share(done + 1, steps))

    def share(self, step: int, steps: int) -> float:
        """Of the learning rate at step 1..steps: linear warm-up, then as the schedule says."""
        warmup = self.warmup_steps
        if step <= warmup:
            return step / warmup
        if self.schedule == "inverse-sqrt":
            return math.sqrt(max(warmup, 1) / step)
        if self.schedule == "cosine":
            done = (step - warmup) / max(1, steps - warmup)
            return 0.5 * (1 + math.cos(math.pi * done))
        return 1.0

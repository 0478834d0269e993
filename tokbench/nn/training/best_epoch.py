"""Which epoch's weights a trained network keeps: those of the best validation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from tokbench.api import Runtime
from tokbench.nn.training.recipe import Recipe


class BestEpoch:
    """Called after every epoch: logs it, validates when it is time, and says when to stop.

    The first figure that `validate()` returns selects, the larger the better; of equal ones the
    first epoch stays.
    """

    def __init__(
        self,
        network: nn.Module,
        validate: Callable[[], Mapping[str, float]],
        recipe: Recipe,
        runtime: Runtime,
    ) -> None:
        self.network, self.validate, self.recipe, self.runtime = network, validate, recipe, runtime
        self.score, self.epoch, self.weights = -math.inf, 0, dict[str, Tensor]()
        self.began = time.perf_counter()

    def __call__(self, epoch: int, losses: Sequence[float]) -> bool:
        """True when there was no better validation for `patience` of them."""
        every = self.recipe.eval_every
        found: Mapping[str, float] = {}
        if epoch % every == 0 or epoch == self.recipe.epochs:
            found = self.validate()
            score = next(iter(found.values()))
            if score > self.score:
                state = self.network.state_dict()
                self.weights = {name: weight.detach().clone() for name, weight in state.items()}
                self.score, self.epoch = score, epoch
        seconds = time.perf_counter() - self.began
        self.runtime.log(epoch=epoch, loss=losses[0], **found, seconds=seconds)
        return bool(found) and epoch - self.epoch >= self.recipe.patience * every

    def restore(self) -> None:
        """Give the network the best epoch's weights, ready to search."""
        self.network.load_state_dict(self.weights)
        self.network.eval()

"""What generators share that are a network trained by gradient: seeds, training, storage.

Such a generator is a network (`untrained`), its batches and its loss (`examples`), and its search
(`generate`). Options named as the fields of a Recipe steer the training.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from tokbench.api import Generator, GeneratorModel, Runtime
from tokbench.errors import ConfigError
from tokbench.generators.validation import sample, validate
from tokbench.types import Catalog, Histories, SemanticIds, Sequences

if TYPE_CHECKING:  # torch is imported where it is used, so that listing generators stays fast
    from torch import nn

    from tokbench.nn.training.gradient import Examples


class NetworkModel(GeneratorModel):
    """A network that writes code tuples; a subclass sets `network`, in evaluation mode."""

    network: nn.Module

    @abstractmethod
    def examples(self, train: Sequences, device: str) -> Examples[Any]:
        """What the network learns from the training rows."""

    def state(self) -> dict[str, NDArray[Any]]:
        """The weights, float32."""
        state = self.network.state_dict()
        return {name: value.detach().cpu().numpy().copy() for name, value in state.items()}


Model = TypeVar("Model", bound=NetworkModel)


class NetworkGenerator(Generator, Generic[Model]):
    """A generator that is a network trained by gradient."""

    @abstractmethod
    def untrained(self, ids: SemanticIds) -> Model:
        """The model before training, weights drawn from torch's global generator, on the CPU."""

    def train(
        self,
        catalog: Catalog,
        histories: Histories,
        ids: SemanticIds,
        *,
        seed: int,
        runtime: Runtime,
    ) -> Model:
        """The weights of the epoch with the best validation NDCG@10 (expected under ties).

        Same seed, same thread count, same weights, bit for bit on a CPU. Torch's global generator
        is left as found. Raises ConfigError where no training row has two items.
        """
        from tokbench.nn.devices import seeded
        from tokbench.nn.training.gradient import train
        from tokbench.nn.training.recipe import Recipe

        rows, longest = len(histories.train), int(histories.train.lengths.max(initial=0))
        if longest < 2:
            raise ConfigError(
                f"{self.name} needs a training sequence of at least two items; "
                f"the longest of {rows} has {longest}"
            )
        recipe, rng = Recipe.of(self.config), np.random.default_rng(seed)
        queries = sample(histories.validation, recipe.validation_users, rng)
        with seeded(seed, runtime.device):
            model = self.untrained(ids)
            model.network.to(runtime.device)
            search = partial(
                validate, model, ids, queries, width=recipe.validation_width, runtime=runtime
            )
            examples = model.examples(histories.train, runtime.device)
            train(model.network, examples, recipe, search, rng=rng, runtime=runtime)
        return model

    def restore(self, state: Mapping[str, NDArray[Any]], ids: SemanticIds) -> Model:
        """The model whose `state()` this was; it moves to the device of its first `generate`."""
        import torch

        from tokbench.nn.devices import seeded

        with seeded(0, "cpu"):
            model = self.untrained(ids)
        weights = {name: torch.from_numpy(np.array(array)) for name, array in state.items()}
        model.network.load_state_dict(weights)
        return model

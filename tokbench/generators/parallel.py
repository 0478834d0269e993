"""All codes at once: one head per level, every existing tuple scored exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tokbench.api import option
from tokbench.generators.item_network import TRAIN_PLACES, ItemNetworkConfig, ItemNetworkModel
from tokbench.generators.item_positions import histories_at_once, places_at_once
from tokbench.generators.network import NetworkGenerator
from tokbench.generators.rq_transformer import RqTransformer
from tokbench.types import SemanticIds

if TYPE_CHECKING:
    from tokbench.nn.transformer.parallel import ParallelHeads


class Parallel(NetworkGenerator["ParallelModel"]):
    """A causal Transformer over items, each the sum of its code embeddings, and a head per level.

    A tuple's score is the sum of its codes' scores, whatever their order: the search is exact, and
    codes may be long.
    """

    name = "parallel"
    exact_at_full_width = True
    is_distribution = True
    citation = "Hou et al., Generating Long Semantic IDs in Parallel for Recommendation, KDD 2025"
    deviations = (
        "trained by a softmax over all existing tuples; RPG: over each level's codes (preset "
        "levels), which spends probability on tuples that no item has",
        "every tuple is scored; RPG walks a graph of similar tuples",
        "codes are read and written by vectors apart, with plain products; RPG: the same vectors, "
        "cosines over a temperature",
        "a head is a feed-forward block with a residual; RPG: one matrix and SiLU with a residual",
        "attention has a learned bias by distance; RPG: GPT-2's position embeddings",
    )

    class Config(ItemNetworkConfig):
        """Size and training are those of rq-transformer, so that the two differ by the heads."""

        objective: Literal["tuples", "levels"] = option(
            "tuples",
            description="what a softmax is over: all existing tuples, or the codes of each level",
        )

    presets = {
        # RPG's own objective: long codes, many tuples
        "levels": {"objective": "levels"},
        # seconds, on some 300 items and 1,000 users
        "toy": RqTransformer.presets["toy"],
    }

    config: Config

    def untrained(self, ids: SemanticIds) -> ParallelModel:
        """A network over the distinct tuples of `ids`. Raises ConfigError for heads that do not
        share the width."""
        return ParallelModel(self.config, ids)


class ParallelModel(ItemNetworkModel):
    """A network and the tuples it scores."""

    network: ParallelHeads

    def __init__(self, config: Parallel.Config, ids: SemanticIds) -> None:
        from tokbench.nn.transformer.parallel import ParallelHeads

        super().__init__("parallel", config, ids)
        self.network = ParallelHeads(
            self.tuples, ids.level_sizes, objective=config.objective, **self.shape()
        ).eval()

    def at_once(self, width: int) -> int:
        """Histories of a pass: every tuple is scored."""
        return histories_at_once(len(self.tuples))

    def places(self, device: str) -> int:
        """Of a micro-batch in training, fewer where every tuple is scored at each."""
        if self.network.objective == "levels":
            return super().places(device)
        return places_at_once(TRAIN_PLACES, len(self.tuples), device)

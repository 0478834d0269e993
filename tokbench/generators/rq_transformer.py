"""The RQ-Transformer as a generator: reads one position per item, writes M codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokbench.generators.item_network import ItemNetworkConfig, ItemNetworkModel
from tokbench.generators.network import NetworkGenerator
from tokbench.types import SemanticIds

if TYPE_CHECKING:
    from tokbench.nn.transformer.rq import RqTransformer as Network


class RqTransformer(NetworkGenerator["RqTransformerModel"]):
    """A causal Transformer over items, each the sum of its code embeddings, and a depth network.

    The same task as `tiger` (history of code tuples in, code tuple out) at a small part of its
    cost: an item is one position instead of M, and one pass trains every position.
    """

    name = "rq-transformer"
    exact_at_full_width = True  # no prefix is ever pruned
    is_distribution = True
    citation = "Lee et al., Autoregressive Image Generation using Residual Quantization, CVPR 2022"
    deviations = (
        "the depth network is a feed-forward block per level over the hidden state and the sum of "
        "the codes so far; Lee et al.: a Transformer over the codes so far",
        "a code's softmax is over the codes that follow its prefix in some tuple of the catalogue; "
        "Lee et al.: over all codes",
        "every level has a codebook of its own, embeddings for reading, for what was written so "
        "far and for writing are apart, and attention has a bias by distance",
    )

    class Config(ItemNetworkConfig):
        """Chosen on validation users of office-5core and Beauty (benchmarks/generator_recipe)."""

    presets = {
        # seconds, on some 300 items and 1,000 users
        "toy": {
            "layers": 1,
            "width": 64,
            "history_items": 10,
            "batch_size": 64,
            "epochs": 16,
            "minimum_steps": 0,
            "learning_rate": 5e-3,
            "warmup_steps": 20,
            "eval_every": 4,
            "validation_users": 500,
        },
    }

    space = {
        "learning_rate": "1e-3..1e-2:log",
        "dropout": "0.1..0.5",
        "width": "64,128,192",
        "batch_size": "64,128,256",
    }

    config: Config

    def untrained(self, ids: SemanticIds) -> RqTransformerModel:
        """A network over the distinct tuples of `ids`. Raises ConfigError for heads that do not
        share the width."""
        return RqTransformerModel(self.config, ids)


class RqTransformerModel(ItemNetworkModel):
    """A network and the tuples it may write."""

    network: Network

    def __init__(self, config: RqTransformer.Config, ids: SemanticIds) -> None:
        from tokbench.nn.transformer.rq import RqTransformer as Network

        super().__init__("rq-transformer", config, ids)
        self.network = Network(self.tuples, ids.level_sizes, **self.shape()).eval()

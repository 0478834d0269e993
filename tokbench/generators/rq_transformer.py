"""The RQ-Transformer as a generator: reads one position per item, writes M codes.

Axes: Q queries, B beams, G distinct tuples, M levels.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from tokbench.api import Generator, Runtime, option
from tokbench.errors import ConfigError
from tokbench.generators.item_positions import last_states, repeated
from tokbench.generators.network import NetworkGenerator, NetworkModel
from tokbench.generators.popularity import classes_of
from tokbench.types import Beams, Codes, Ints, SemanticIds, Sequences

if TYPE_CHECKING:
    from torch import Tensor

    from tokbench.nn.training.gradient import Examples
    from tokbench.nn.transformer.rq import RqTransformer as Network
    from tokbench.nn.transformer.sasrec import MicroBatch


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

    class Config(Generator.Config):
        """Chosen on validation users of office-5core and Beauty (benchmarks/generator_recipe)."""

        layers: int = option(2, ge=1, le=24, description="blocks of the Transformer over items")
        width: int = option(128, ge=8, le=2048, description="width of a position")
        heads: int = option(4, ge=1, le=32, description="attention heads")
        dropout: float = option(0.3, ge=0.0, lt=1.0, description="dropout rate")
        history_items: int = option(20, ge=1, le=1000, description="items of a history, last ones")
        batch_size: int = option(128, ge=1, description="windows of up to history_items + 1 items")
        epochs: int = option(30, ge=1, description="passes over the training data, at most")
        minimum_steps: int = option(
            2000, ge=0, description="on little data an epoch is several passes, to make these steps"
        )
        learning_rate: float = option(3e-3, gt=0.0, description="rate after the warm-up")
        schedule: Literal["constant", "inverse-sqrt", "cosine"] = option(
            "cosine", description="what the rate does after the warm-up"
        )
        warmup_steps: int = option(100, ge=0, description="steps of linear warm-up")
        weight_decay: float = option(
            0.0, ge=0.0, description="AdamW's decoupled weight decay, of all weights"
        )
        eval_every: int = option(3, ge=1, description="epochs between two validations")
        patience: int = option(
            3, ge=1, description="validations without a better NDCG@10 before training stops"
        )
        validation_users: int = option(
            6000, ge=0, description="validation users to select on, drawn by the seed; 0 = all"
        )
        validation_width: int = option(20, ge=10, description="beam width in validation")

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

    config: Config

    def untrained(self, ids: SemanticIds) -> RqTransformerModel:
        """A network over the distinct tuples of `ids`. Raises ConfigError for heads that do not
        share the width."""
        return RqTransformerModel(self.config, ids)


class RqTransformerModel(NetworkModel):
    """A network and the tuples it may write."""

    network: Network

    def __init__(self, config: RqTransformer.Config, ids: SemanticIds) -> None:
        from tokbench.nn.transformer.rq import RqTransformer as Network

        if config.width % config.heads:
            raise ConfigError(
                f"rq-transformer: width {config.width} is not a multiple of heads {config.heads}; "
                "set rq-transformer.width or rq-transformer.heads"
            )
        self.config, self.ids = config, ids
        self.tuples, self.member, _ = ids.groups()
        self.network = Network(
            self.tuples,
            ids.level_sizes,
            places=config.history_items + 1,
            width=config.width,
            layers=config.layers,
            heads=config.heads,
            rate=config.dropout,
        ).eval()

    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        """The `width` likeliest tuples after each history, of which the last items count.

        Scores are log-probabilities among the existing tuples. An empty history is allowed.
        """
        from tokbench.nn.transformer.rq import search

        best = min(width, len(self.tuples))
        chosen = np.full((len(histories), width), -1, np.int64)
        scores = np.full((len(histories), width), -np.inf, np.float32)
        with runtime.progress.track("generate", total=len(histories)) as advance:
            for rows, hidden in self._read(histories, runtime.device, SEARCH_BEAMS // best):
                found, score = search(self.network, hidden, best)
                chosen[rows, :best], scores[rows, :best] = found.cpu(), score.float().cpu()
                advance(len(rows))
        return Beams(np.where(chosen[..., None] >= 0, self.tuples[chosen], -1), scores)

    def log_likelihood(
        self, histories: Sequences, codes: Codes, *, runtime: Runtime
    ) -> NDArray[np.float64]:
        """log p of a tuple [Q, M] after each history, natural, [Q]; those of all existing tuples
        sum to one, and other tuples have -inf."""
        import torch

        wanted, known = classes_of(self.ids, codes)
        found = np.full(len(histories), -np.inf)
        with runtime.progress.track("likelihood", total=len(histories)) as advance:
            for rows, hidden in self._read(histories, runtime.device, SEARCH_BEAMS):
                labels = torch.from_numpy(wanted[rows]).to(runtime.device)
                with torch.no_grad():
                    log_p = self.network.log_p(hidden, labels).double().cpu()
                found[rows] = np.where(known[rows], log_p, -np.inf)
                advance(len(rows))
        return found

    def _read(
        self, histories: Sequences, device: str, at_once: int
    ) -> Iterator[tuple[Ints, Tensor]]:
        """Histories of near length, and the hidden state at the end of each [rows, d]."""
        return last_states(
            self.network,
            histories,
            self.member,
            start=len(self.tuples),
            items=self.config.history_items,
            at_once=at_once,
            device=device,
        )

    def examples(self, train: Sequences, device: str) -> Examples[MicroBatch]:
        """Windows in which every item is a target once, in rows of two or more; on little data
        several times over."""
        from tokbench.nn.devices import tokens_at_once
        from tokbench.nn.training.gradient import Examples
        from tokbench.nn.transformer.rq import summed_loss
        from tokbench.nn.transformer.sasrec import Collator
        from tokbench.nn.transformer.windows import sequence_windows

        config = self.config
        runs = sequence_windows(train.offsets, config.history_items)
        windows = repeated(
            runs,
            batch_size=config.batch_size,
            epochs=config.epochs,
            minimum_steps=config.minimum_steps,
        )
        items, start = self.member[train.items], len(self.tuples)
        budget = tokens_at_once(TRAIN_PLACES, max(self.ids.level_sizes), device)
        collator = Collator(items, windows, start=start, budget=budget, device=device)
        loss = partial(summed_loss, self.network)
        return Examples(len(windows), collator, loss, recordable=True)


# Places of a micro-batch in training: few enough for a CPU's cache.
TRAIN_PLACES = {"cpu": 2048, "cuda": 2**16}
SEARCH_BEAMS = 2**14  # beams of a micro-batch in the search

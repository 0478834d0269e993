"""What generators share that are an ItemTransformer: their batches, search and likelihood.

Axes: Q queries, B tuples asked for, G distinct tuples, M levels.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tokbench.api import Generator, Runtime, option
from tokbench.generators.item_positions import check_heads, last_states, repeated
from tokbench.generators.network import NetworkModel
from tokbench.generators.popularity import classes_of
from tokbench.types import Beams, Codes, Ints, SemanticIds, Sequences

if TYPE_CHECKING:
    from torch import Tensor

    from tokbench.nn.training.gradient import Examples
    from tokbench.nn.transformer.items import ItemTransformer
    from tokbench.nn.transformer.sasrec import MicroBatch


class ItemNetworkConfig(Generator.Config):
    """Size and training of such a generator."""

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


class ItemNetworkModel(NetworkModel):
    """A network and the tuples it may write. A subclass makes the network."""

    network: ItemTransformer

    def __init__(self, name: str, config: ItemNetworkConfig, ids: SemanticIds) -> None:
        check_heads(name, config.width, config.heads)
        self.config, self.ids = config, ids
        self.tuples, self.member, _ = ids.groups()

    def shape(self) -> dict[str, Any]:
        """How the network is built."""
        config = self.config
        return {
            "places": config.history_items + 1,
            "width": config.width,
            "layers": config.layers,
            "heads": config.heads,
            "rate": config.dropout,
        }

    def at_once(self, width: int) -> int:
        """Histories of a pass that looks for the `width` best tuples."""
        return SEARCH_BEAMS // width

    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        """The `width` likeliest tuples after each history, of which the last items count.

        Scores are log-probabilities among the existing tuples. An empty history is allowed.
        """
        best = min(width, len(self.tuples))
        chosen = np.full((len(histories), width), -1, np.int64)
        scores = np.full((len(histories), width), -np.inf, np.float32)
        with runtime.progress.track("generate", total=len(histories)) as advance:
            for rows, hidden in self._read(histories, runtime.device, self.at_once(best)):
                found, score = self.network.search(hidden, best)
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
            for rows, hidden in self._read(histories, runtime.device, self.at_once(1)):
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
        from tokbench.nn.training.gradient import Examples
        from tokbench.nn.transformer.items import summed_loss
        from tokbench.nn.transformer.sasrec import Collator
        from tokbench.nn.transformer.windows import sequence_windows

        config = self.config
        windows = repeated(
            sequence_windows(train.offsets, config.history_items),
            batch_size=config.batch_size,
            epochs=config.epochs,
            minimum_steps=config.minimum_steps,
        )
        items, start = self.member[train.items], len(self.tuples)
        budget = self.places(device)
        collator = Collator(items, windows, start=start, budget=budget, device=device)
        loss = partial(summed_loss, self.network)
        return Examples(len(windows), collator, loss, recordable=True)

    def places(self, device: str) -> int:
        """Of a micro-batch in training."""
        from tokbench.nn.devices import tokens_at_once

        return tokens_at_once(TRAIN_PLACES, max(self.ids.level_sizes), device)


# Places of a micro-batch in training: few enough for a CPU's cache.
TRAIN_PLACES = {"cpu": 2048, "cuda": 2**16}
SEARCH_BEAMS = 2**14  # beams of a micro-batch in the search

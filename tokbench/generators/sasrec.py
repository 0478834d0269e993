"""SASRec: what a sequence model of plain item ids reaches, and so what semantic ids must beat.

A class is a distinct code tuple; with `item-id` codes that is an item. Axes: Q queries, B beams,
G classes, M levels.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tokbench.api import Generator, Runtime, option
from tokbench.generators.item_positions import (
    check_heads,
    histories_at_once,
    last_states,
    places_at_once,
    repeated,
)
from tokbench.generators.network import NetworkGenerator, NetworkModel
from tokbench.generators.popularity import classes_of
from tokbench.types import Beams, Codes, Ints, SemanticIds, Sequences

if TYPE_CHECKING:
    from torch import Tensor

    from tokbench.nn.training.gradient import Examples
    from tokbench.nn.transformer.sasrec import MicroBatch
    from tokbench.nn.transformer.sasrec import SasRec as Network


class SasRec(NetworkGenerator["SasRecModel"]):
    """Causal self-attention over items, full softmax over the catalogue at every position.

    The levels of a tuple are not looked at: each distinct tuple is one class with an embedding of
    its own, so the tokenizer matters only by which items share a tuple. Options were chosen on
    the validation users of office-5core alone (benchmarks/baseline_tuning).
    """

    name = "sasrec"
    version = 2
    is_distribution = True
    citation = (
        "Kang & McAuley, Self-Attentive Sequential Recommendation, ICDM 2018; loss of Klenitskiy & "
        "Vasilev, Turning Dross Into Gold Loss: is BERT4Rec really better than SASRec?, RecSys "
        "2023; 256 negatives (preset sampled): Petrov & Macdonald, gSASRec, RecSys 2023"
    )
    deviations = (
        "softmax cross-entropy over the whole catalogue; SASRec: binary, one sampled negative, "
        "which Klenitskiy & Vasilev found much weaker",
        "negatives, where there are any, are the same at all places of a micro-batch, and one that "
        "is a place's target is left out there",
        "queries, keys and values are all of the normed input; SASRec norms the queries only",
        "positions count from a window's first item, after a start token that an empty history "
        "can be read from; SASRec pads on the left and has no start token",
        "AdamW after a warm-up; SASRec: Adam",
    )

    class Config(Generator.Config):
        """The defaults are tuned on validation; SASRec's own are under `paper`."""

        layers: int = option(2, ge=1, le=24, description="blocks")
        width: int = option(64, ge=8, le=2048, paper=50, description="width of an item")
        heads: int = option(2, ge=1, le=32, paper=1, description="attention heads")
        dropout: float = option(0.3, ge=0.0, lt=1.0, paper=0.5, description="dropout rate")
        history_items: int = option(50, ge=1, le=1000, description="items of a history, last ones")
        batch_size: int = option(128, ge=1, description="windows of up to history_items + 1 items")
        epochs: int = option(200, ge=1, description="passes over the training data, at most")
        minimum_steps: int = option(
            500,
            ge=0,
            paper=0,
            description="on little data an epoch is several passes, so that all have these steps",
        )
        learning_rate: float = option(
            2e-3, gt=0.0, paper=1e-3, description="rate after the warm-up"
        )
        warmup_steps: int = option(100, ge=0, paper=0, description="steps of linear warm-up")
        weight_decay: float = option(
            0.0, ge=0.0, description="AdamW's decoupled weight decay, of all weights"
        )
        own_last: bool = option(
            False,
            description="propose what the history holds after all else: for data in which nobody "
            "takes an item twice. No other generator does, so it is off",
        )
        negatives: int = option(
            0,
            ge=0,
            added=True,
            description="classes drawn at random that stand for all others in the softmax of a "
            "training step; 0 is the full softmax",
        )
        eval_every: int = option(1, ge=1, description="epochs between two validations")
        patience: int = option(
            10, ge=1, paper=20, description="validations without a better NDCG@10 before the end"
        )

    presets = {
        # the sampled softmax of Klenitskiy & Vasilev, with the number of negatives of gSASRec
        "sampled": {"negatives": 256},
        # two cores, a few minutes on 5,000 users
        "quick": {"epochs": 20, "patience": 4},
        # seconds, on some 300 items and 1,000 users
        "toy": {
            "layers": 1,
            "width": 32,
            "history_items": 10,
            "batch_size": 64,
            "epochs": 20,
            "minimum_steps": 0,
            "learning_rate": 5e-3,
            "warmup_steps": 20,
            "eval_every": 2,
            "patience": 3,
        },
    }

    space = {
        "learning_rate": "5e-4..1e-2:log",
        "dropout": "0.1..0.6",
        "width": "32,64,128",
        "batch_size": "64,128,256",
    }

    config: Config

    def untrained(self, ids: SemanticIds) -> SasRecModel:
        """A network with a class for each distinct tuple. Raises ConfigError for heads that do not
        share the width."""
        return SasRecModel(self.config, ids)


class SasRecModel(NetworkModel):
    """A network and the tuples that its classes stand for."""

    network: Network

    def __init__(self, config: SasRec.Config, ids: SemanticIds) -> None:
        from tokbench.nn.transformer.sasrec import SasRec as Network

        check_heads("sasrec", config.width, config.heads)
        self.config, self.ids = config, ids
        self.tuples, self.member, _ = ids.groups()
        network = Network(
            classes=len(self.tuples),
            places=config.history_items + 1,
            width=config.width,
            layers=config.layers,
            heads=config.heads,
            rate=config.dropout,
        )
        self.network = network.eval()

    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        """The `width` likeliest tuples after each history, of which the last items count.

        Scores are log-probabilities over all tuples, with `own_last` lowered by OWN for the
        history's own. An empty history is allowed.
        """
        best = min(width, len(self.tuples))
        chosen = np.full((len(histories), width), -1, np.int64)
        scores = np.full((len(histories), width), -np.inf, np.float32)
        with runtime.progress.track("generate", total=len(histories)) as advance:
            for part, logits in self._logits(histories, runtime.device):
                score = logits.log_softmax(-1)
                if self.config.own_last:
                    score[self._own(histories, part)] -= OWN
                found = score.topk(best)
                chosen[part, :best] = found.indices.cpu()
                scores[part, :best] = found.values.float().cpu()
                advance(len(part))
        return Beams(np.where(chosen[..., None] >= 0, self.tuples[chosen], -1), scores)

    def log_likelihood(
        self, histories: Sequences, codes: Codes, *, runtime: Runtime
    ) -> NDArray[np.float64]:
        """log p of a tuple [Q, M] after each history, natural, [Q]: the softmax over all distinct
        tuples, -inf for others. `own_last` is a rule of proposing and does not enter."""
        import torch

        from tokbench.nn.transformer.loss import log_p_of

        wanted, known = classes_of(self.ids, codes)
        found = np.full(len(histories), -np.inf)
        with runtime.progress.track("likelihood", total=len(histories)) as advance:
            for part, logits in self._logits(histories, runtime.device):
                labels = torch.from_numpy(wanted[part]).to(runtime.device)
                found[part] = np.where(known[part], log_p_of(labels, logits).cpu(), -np.inf)
                advance(len(part))
        return found

    def _logits(self, histories: Sequences, device: str) -> Iterator[tuple[Ints, Tensor]]:
        """Histories of near length, and the score of each class after them [rows, G]."""
        import torch

        for rows, hidden in last_states(
            self.network,
            histories,
            self.member,
            start=len(self.tuples),
            items=self.config.history_items,
            at_once=histories_at_once(len(self.tuples)),
            device=device,
        ):
            with torch.no_grad():
                logits = self.network.logits(hidden)
            yield rows, logits

    def _own(self, histories: Sequences, rows: Ints) -> tuple[Ints, Ints]:
        """(row of `rows`, class) of everything in these histories, each pair once."""
        own = [np.unique(self.member[histories[row]]) for row in rows]
        return np.repeat(np.arange(len(rows)), list(map(len, own))), np.concatenate(own)

    def examples(self, train: Sequences, device: str) -> Examples[MicroBatch]:
        """Windows in which every item is a target once, in rows of two or more; on little data
        several times over."""
        from tokbench.nn.training.gradient import Examples
        from tokbench.nn.transformer.sasrec import Collator, sampled_loss, summed_loss
        from tokbench.nn.transformer.windows import Windows, sequence_windows

        runs = sequence_windows(train.offsets, self.config.history_items)
        # Where a window begins its row, START is followed by a target too.
        begins = np.isin(runs.start, train.offsets[:-1])
        arrays = runs.start, runs.stop, np.where(begins, 0, runs.first)
        windows = repeated(
            Windows(*arrays),
            batch_size=self.config.batch_size,
            epochs=self.config.epochs,
            minimum_steps=self.config.minimum_steps,
        )
        negatives = self.config.negatives
        budget = places_at_once(TRAIN_PLACES, negatives or len(self.tuples), device)
        items = self.member[train.items]
        collator = Collator(items, windows, start=len(self.tuples), budget=budget, device=device)
        loss = partial(summed_loss, self.network)
        if negatives:
            loss = partial(sampled_loss, self.network, negatives=negatives)
        return Examples(len(windows), collator, loss, recordable=not negatives)


OWN = 1000.0  # more than any two log-probabilities differ by
# Places of a micro-batch in training, fewer where the catalogue is large.
TRAIN_PLACES = {"cpu": 4096, "cuda": 2**16}

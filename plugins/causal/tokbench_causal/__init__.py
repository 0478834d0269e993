"""A decoder-only generator: one stack reads a history's codes and writes the next item's.

The flattened codes of a sequence are one text, and every position is trained in one pass, as in GPT
(Radford et al. 2018); over semantic ids LC-Rec (arXiv 2311.09049) and OneRec (arXiv 2502.18965)
write items so. Layers, tokens, schedule, search and selection are those of `tiger`, so that the two
differ in the shape of the network and in little else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from tokbench import hookimpl, option
from tokbench.api import Generator, Runtime, batches
from tokbench.generators.network import NetworkGenerator, NetworkModel
from tokbench.types import Beams, Codes, Ints, SemanticIds, Sequences

if TYPE_CHECKING:  # torch is imported where it is used, so that listing generators stays fast
    from tokbench.nn.training import Examples
    from tokbench_causal.examples import MicroBatch
    from tokbench_causal.network import Network

# Tokens of a micro-batch: enough for large matrix products, few enough to stay in a CPU's cache.
TRAIN_TOKENS = {"cpu": 4096, "cuda": 2**16}
SEARCH_TOKENS = {"cpu": 2**14, "cuda": 2**20}


class Causal(NetworkGenerator["CausalModel"]):
    """Decoder-only over semantic IDs, trained on every position in one pass."""

    name = "causal"
    exact_at_full_width = True  # no prefix is ever pruned
    is_distribution = True
    citation = "Zheng et al., LC-Rec, ICDE 2024, arXiv 2311.09049 (a decoder over semantic ids)"
    deviations = (
        "trained from scratch on codes alone: LC-Rec tunes a language model that reads text too",
        "as deep and wide as tiger's encoder and decoder together, not as a language model",
    )

    class Config(Generator.Config):
        """The defaults are tiger's, with its two stacks on top of each other."""

        layers: int = option(8, ge=1, le=48, description="self-attention layers")
        d_model: int = option(128, ge=8, le=2048, description="width of a token")
        d_ff: int = option(1024, ge=8, le=8192, description="width inside a feed-forward block")
        heads: int = option(6, ge=1, le=32, description="attention heads")
        d_head: int = option(64, ge=4, le=256, description="width of a head")
        dropout: float = option(0.1, ge=0.0, lt=1.0, description="dropout rate")
        history_items: int = option(20, ge=1, le=1000, description="items of a history, last ones")
        batch_size: int = option(
            64, ge=1, description="windows of a step, each of up to history_items + 1 items"
        )
        epochs: int = option(200, ge=1, description="passes over the training data, at most")
        learning_rate: float = option(1e-3, gt=0.0, description="rate after the warm-up")
        schedule: Literal["constant", "inverse-sqrt", "cosine"] = option(
            "constant", description="what the rate does after the warm-up"
        )
        warmup_steps: int = option(1000, ge=0, description="steps of linear warm-up")
        weight_decay: float = option(0.0, ge=0.0, description="AdamW's decoupled weight decay")
        label_smoothing: float = option(
            0.0, ge=0.0, lt=1.0, description="share of a label spread over the whole vocabulary"
        )
        eval_every: int = option(1, ge=1, description="epochs between two validations")
        patience: int = option(
            20, ge=1, description="validations without a better NDCG@10 before training stops"
        )
        validation_users: int = option(
            0, ge=0, description="validation users to select on, drawn by the seed; 0 = all"
        )
        validation_width: int = option(20, ge=10, description="beam width in validation")

    presets = {
        # two cores, a few minutes on 5,000 users
        "quick": {
            "layers": 4,
            "d_model": 64,
            "d_ff": 256,
            "heads": 4,
            "d_head": 16,
            "epochs": 60,
            "learning_rate": 3e-3,
            "schedule": "cosine",
            "warmup_steps": 100,
            "eval_every": 5,
            "patience": 6,
            "validation_users": 1500,
        },
        # seconds, on some 300 items and 1,000 users
        "toy": {
            "layers": 2,
            "d_model": 64,
            "d_ff": 128,
            "heads": 4,
            "d_head": 16,
            "history_items": 10,
            "epochs": 20,
            "learning_rate": 5e-3,
            "schedule": "cosine",
            "warmup_steps": 20,
            "eval_every": 5,
            "validation_users": 500,
        },
    }

    config: Config

    def untrained(self, ids: SemanticIds) -> CausalModel:
        """A decoder over the tokens of `ids`."""
        return CausalModel(self.config, ids)


class CausalModel(NetworkModel):
    """A network and the tuples it may write."""

    network: Network

    def __init__(self, config: Causal.Config, ids: SemanticIds) -> None:
        from tokbench.nn.transformer import START, Size
        from tokbench_causal.network import Network

        self.config, self.ids, self.start = config, ids, START
        # level m's code 0 as a token
        self.base = START + 1 + np.cumsum([0, *ids.level_sizes[:-1]])
        self.tokens: Ints = ids.codes.astype(np.int64) + self.base  # [N, M]
        self.tuples, _, _ = ids.groups()
        self.tuple_tokens: Ints = self.tuples.astype(np.int64) + self.base
        size = Size(
            vocabulary=1 + sum(ids.level_sizes),
            d_model=config.d_model,
            d_ff=config.d_ff,
            heads=config.heads,
            d_head=config.d_head,
            encoder_layers=config.layers,
            decoder_layers=0,
            dropout=config.dropout,
        )
        self.network = Network(size).eval()

    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        """The `width` likeliest tuples for each history, of which the last `history_items` count.

        Scores are log-probabilities over the whole vocabulary. An empty history is allowed.
        """
        self.network.to(runtime.device)
        with runtime.progress.track("generate", total=len(histories)) as advance:
            rows, scores = self._search(histories, width, runtime.device, advance)
        return Beams(np.where(rows[..., None] >= 0, self.tuples[rows], -1), scores)

    def log_likelihood(
        self, histories: Sequences, codes: Codes, *, runtime: Runtime
    ) -> NDArray[np.float64]:
        """log p of a tuple [Q, M] after each history, over the whole vocabulary, natural, [Q].

        One pass, without dropout; the scores of `generate` are the same but for rounding.
        """
        import torch

        from tokbench.nn.devices import in_halves
        from tokbench_causal.network import log_likelihood

        network, wanted = self.network.to(runtime.device).eval(), codes.astype(np.int64) + self.base
        found = np.empty(len(histories))
        with runtime.progress.track("likelihood", total=len(histories)) as advance:

            def score(group: Ints) -> None:
                tokens = np.concatenate([self._read(histories, group), wanted[group]], axis=1)
                on_device = torch.from_numpy(tokens).to(runtime.device)
                found[group] = log_likelihood(network, on_device, self.ids.levels).cpu()
                advance(len(group))

            for group in self._groups(histories, 1, runtime.device):
                in_halves(score, group)
        return found

    def _search(
        self, histories: Sequences, width: int, device: str, advance: Callable[[int], None]
    ) -> tuple[Ints, NDArray[np.float32]]:
        """Rows of `tuples` and scores, [Q, width]; histories of one length go together, so that
        nothing is padded."""
        import torch

        from tokbench.nn.devices import in_halves
        from tokbench.nn.transformer import PrefixTree
        from tokbench_causal.network import search

        tree = PrefixTree.of(self.tuple_tokens, device)
        width_ = min(width, len(tree))
        rows = np.full((len(histories), width), -1, np.int64)
        scores = np.full((len(histories), width), -np.inf, np.float32)
        self.network.eval()

        def find(group: Ints) -> None:
            tokens = torch.from_numpy(self._read(histories, group)).to(device)
            found, score = search(self.network, tree, tokens, width_)
            rows[group, :width_], scores[group, :width_] = found.cpu(), score.cpu()
            advance(len(group))

        for group in self._groups(histories, width_, device):
            in_halves(find, group)
        return rows, scores

    def _groups(self, histories: Sequences, width: int, device: str) -> Iterator[Ints]:
        """Histories of one length, each to be continued by `width` tuples."""
        from tokbench.nn.devices import tokens_at_once

        kept = np.minimum(histories.lengths, self.config.history_items)
        # A level's scores are those of one token of each beam.
        vocabulary = -(-self.network.size.vocabulary // self.ids.levels)
        budget = tokens_at_once(SEARCH_TOKENS, vocabulary, device)
        for length in np.unique(kept):
            queries = np.flatnonzero(kept == length)
            most = max(1, budget // ((1 + int(length) + width) * self.ids.levels))
            yield from (queries[block] for block in batches(len(queries), most))

    def _read(self, histories: Sequences, group: Ints) -> Ints:
        """Histories of one length as tokens [rows, S]."""
        length = min(int(histories.lengths[group[0]]), self.config.history_items)
        ends = histories.offsets[group + 1][:, None]
        items = histories.items[ends - length + np.arange(length)]
        read = self.tokens[items].reshape(len(group), -1)
        return np.insert(read, 0, self.start, axis=1)

    def examples(self, train: Sequences, device: str) -> Examples[MicroBatch]:
        """Windows in which every item is a target once."""
        from tokbench.nn.devices import on_cuda, tokens_at_once
        from tokbench.nn.training import Examples
        from tokbench.nn.transformer import Grid, sequence_windows
        from tokbench_causal.examples import Collator, summed_loss

        windows = sequence_windows(train.offsets, self.config.history_items)
        budget = tokens_at_once(TRAIN_TOKENS, self.network.size.vocabulary, device)
        grid = Grid(32, -(-(self.config.history_items + 1) // 4)) if on_cuda(device) else None
        collator = Collator(train.items, self.tokens, budget=budget, device=device, grid=grid)
        loss = partial(summed_loss, self.network, smoothing=self.config.label_smoothing)
        batches = partial(collator.micro_batches, windows)
        return Examples(len(windows), batches, loss, recordable=True)


@hookimpl
def register_generators() -> list[type[Causal]]:
    """What this package offers."""
    return [Causal]

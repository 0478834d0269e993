"""TIGER's generator: an encoder-decoder that reads a history's codes and writes the next item's.

Rajput et al., NeurIPS 2023, arXiv 2305.05065; CoST (Sec. 4.1) uses the same structure. Item tokens
are per level, so there are sum(level_sizes) of them, and one START token; no user token (leaving it
out was found best, arXiv 2507.22224) and no end token, as every tuple has M codes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from tokbench.api import Generator, Runtime, option
from tokbench.generators.network import NetworkGenerator, NetworkModel
from tokbench.types import Beams, Codes, Ints, SemanticIds, Sequences

if TYPE_CHECKING:
    from torch import Tensor

    from tokbench.nn.training.gradient import Examples
    from tokbench.nn.transformer.collator import MicroBatch
    from tokbench.nn.transformer.layers import Size
    from tokbench.nn.transformer.t5 import Transformer


class Tiger(NetworkGenerator["TigerModel"]):
    """Encoder-decoder over semantic IDs, trained on every position, decoded by beam search."""

    name = "tiger"
    version = 1
    exact_at_full_width = True  # no prefix is ever pruned
    is_distribution = True
    citation = "Rajput et al., Recommender Systems with Generative Retrieval, NeurIPS 2023"
    deviations = (
        "no user token; TIGER has 2,000 hashed ones, CoST does not say",
        "every encoder input begins with a start token, so that an empty history can be read",
        "with encoder_attention=causal, cross-attention has relative position biases too: items of "
        "a causal encoder cannot tell which of them is the last",
        "Adam at a constant rate (CoST's 1e-3) after a warm-up; TIGER: 0.01, then inverse sqrt",
    )

    class Config(Generator.Config):
        """The defaults are the paper's size and TIGER's training, bidirectional."""

        encoder_layers: int = option(4, ge=1, le=24, description="layers of the encoder")
        decoder_layers: int = option(4, ge=1, le=24, description="layers of the decoder")
        d_model: int = option(128, ge=8, le=2048, description="width of a token")
        d_ff: int = option(1024, ge=8, le=8192, description="width inside a feed-forward block")
        heads: int = option(6, ge=1, le=32, description="attention heads")
        d_head: int = option(64, ge=4, le=256, description="width of a head")
        dropout: float = option(0.1, ge=0.0, lt=1.0, description="dropout rate")
        encoder_attention: Literal["bidirectional", "causal"] = option(
            "bidirectional",
            description="bidirectional: every (history, next item) is an example of its own; "
            "causal: an item sees earlier items only, and one pass trains every position",
        )
        encoder_positions: Literal["codes", "items"] = option(
            "codes",
            description="what a position of the encoder holds: a code, or an item as the sum of "
            "its code embeddings, M times fewer",
        )
        history_items: int = option(20, ge=1, le=1000, description="items of a history, last ones")
        batch_size: int = option(
            512, ge=1, description="examples of a step (causal: windows of up to history_items + 1)"
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
        # two cores, a few minutes on 5,000 users: one pass trains every position (causal)
        "quick": {
            "encoder_layers": 2,
            "decoder_layers": 2,
            "d_model": 64,
            "d_ff": 256,
            "heads": 4,
            "d_head": 16,
            "encoder_attention": "causal",
            "batch_size": 64,
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
            "encoder_layers": 1,
            "decoder_layers": 1,
            "d_model": 64,
            "d_ff": 128,
            "heads": 4,
            "d_head": 16,
            "encoder_attention": "causal",
            "history_items": 10,
            "batch_size": 64,
            "epochs": 20,
            "learning_rate": 5e-3,
            "schedule": "cosine",
            "warmup_steps": 20,
            "eval_every": 5,
            "validation_users": 500,
        },
    }

    config: Config

    def untrained(self, ids: SemanticIds) -> TigerModel:
        """An encoder-decoder over the tokens of `ids`."""
        return TigerModel(self.config, ids)


class TigerModel(NetworkModel):
    """An encoder-decoder and the tuples it may write."""

    network: Transformer

    def __init__(self, config: Tiger.Config, ids: SemanticIds) -> None:
        from tokbench.nn.transformer.t5 import START, Transformer

        self.config, self.ids = config, ids
        self.base = START + 1 + np.cumsum([0, *ids.level_sizes[:-1]])  # level m's code 0 as a token
        self.tuples, _, _ = ids.groups()
        self.network = Transformer(_size(config, ids)).eval()

    def tokens(self, codes: NDArray[np.int32]) -> Ints:
        """Codes [..., M] as tokens: each level has its own."""
        tokens: Ints = codes.astype(np.int64) + self.base
        return tokens

    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        """The `width` likeliest tuples for each history, of which the last `history_items` count.

        Scores are log-probabilities over the whole vocabulary. An empty history is allowed.
        """
        self.network.to(runtime.device)
        with runtime.progress.track("generate", total=len(histories)) as advance:
            rows, scores = self._search(histories, width, runtime, advance)
        codes = np.where(rows[..., None] >= 0, self.tuples[rows], -1)
        return Beams(codes, scores)

    def log_likelihood(
        self, histories: Sequences, codes: Codes, *, runtime: Runtime
    ) -> NDArray[np.float64]:
        """log p of a tuple [Q, M] after each history, over the whole vocabulary, natural, [Q].

        One pass, without dropout; the scores of `generate` are the same but for rounding.
        """
        import torch

        from tokbench.nn.devices import in_halves
        from tokbench.nn.transformer.loss import log_likelihood

        network, tokens = self.network.to(runtime.device).eval(), self.tokens(codes)
        found = np.empty(len(histories))
        with runtime.progress.track("likelihood", total=len(histories)) as advance:
            groups, read = self._groups(histories, 1, runtime.device)

            def score(group: Ints) -> None:
                inputs, allowed, length = read(group)
                wanted = torch.from_numpy(tokens[group]).to(runtime.device)
                with torch.inference_mode():
                    memory = network.encode(inputs, allowed)
                    found[group] = log_likelihood(network, wanted, memory, length).cpu()
                advance(len(group))

            for group in groups:
                in_halves(score, group)
        return found

    def _search(
        self, histories: Sequences, width: int, runtime: Runtime, advance: Callable[[int], None]
    ) -> tuple[Ints, NDArray[np.float32]]:
        """Rows of `tuples` and scores, [Q, width]; histories of near length go together."""
        import torch

        from tokbench.nn.devices import in_halves, tensor_cores
        from tokbench.nn.transformer.beam import PrefixTree, search

        device = runtime.device
        tree = PrefixTree.of(self.tokens(self.tuples), device)
        width_ = min(width, len(tree))
        rows = np.full((len(histories), width), -1, np.int64)
        scores = np.full((len(histories), width), -np.inf, np.float32)
        self.network.eval()
        groups, read = self._groups(histories, width_, device)

        def find(group: Ints) -> None:
            tokens, allowed, length = read(group)
            with torch.inference_mode(), tensor_cores(device, runtime.precision):
                memory = self.network.encode(tokens, allowed)
                found, score = search(self.network, tree, memory, width_, length)
            rows[group, :width_], scores[group, :width_] = found.cpu(), score.cpu()
            advance(len(group))

        for group in groups:
            in_halves(find, group)
        return rows, scores

    def _groups(
        self, histories: Sequences, width: int, device: str
    ) -> tuple[list[Ints], Callable[[Ints], tuple[Tensor, Tensor | None, Tensor | None]]]:
        """Histories of near length, each to be continued by `width` tuples, and what the encoder
        reads of some of them."""
        from tokbench.nn.devices import tokens_at_once
        from tokbench.nn.transformer.collator import Collator
        from tokbench.nn.transformer.windows import pack

        levels, stop = self.ids.levels, histories.offsets[1:]
        collator = Collator(
            histories.items,
            self.tokens(self.ids.codes),
            causal=self._causal,
            whole_items=self._whole_items,
            device=device,
        )
        kept = np.minimum(histories.lengths, self.config.history_items)
        size = (1 + kept + width) * levels  # tokens of a query: history and beams
        # A level's scores are those of one token of each beam.
        budget = tokens_at_once(SEARCH_TOKENS, -(-self.network.size.vocabulary // levels), device)
        groups = pack(size, budget=budget, overhead=budget // 8)
        return groups, lambda group: collator.read(stop[group] - kept[group], stop[group])

    def examples(self, train: Sequences, device: str) -> Examples[MicroBatch]:
        """One window per target, or with a causal encoder one per run of targets."""
        from tokbench.nn.devices import on_cuda, tokens_at_once
        from tokbench.nn.training.gradient import Examples
        from tokbench.nn.transformer.collator import Collator, Grid
        from tokbench.nn.transformer.loss import summed_loss
        from tokbench.nn.transformer.windows import prefix_windows, sequence_windows

        history, causal = self.config.history_items, self._causal
        windows = (sequence_windows if causal else prefix_windows)(train.offsets, history)
        budget = tokens_at_once(TRAIN_TOKENS, self.network.size.vocabulary, device)
        grid = Grid(WINDOW_STEP, -(-(history + 1) // LENGTH_CLASSES))
        collator = Collator(
            train.items,
            self.tokens(self.ids.codes),
            causal=causal,
            whole_items=self._whole_items,
            budget=budget,
            overhead=budget // 16,
            grid=grid if on_cuda(device) else None,
            device=device,
        )
        return Examples(
            len(windows),
            partial(collator.micro_batches, windows),
            partial(summed_loss, self.network, smoothing=self.config.label_smoothing),
            recordable=True,
        )

    @property
    def _whole_items(self) -> bool:
        return self.config.encoder_positions == "items"

    @property
    def _causal(self) -> bool:
        return self.config.encoder_attention == "causal"


# Tokens of a micro-batch: enough for large matrix products, few enough to stay in a CPU's cache.
TRAIN_TOKENS = {"cpu": 4096, "cuda": 2**16}
SEARCH_TOKENS = {"cpu": 2**13, "cuda": 2**17}
# Few shapes of micro-batches, as each is recorded: histories in four classes of length.
LENGTH_CLASSES, WINDOW_STEP = 4, 32


def _size(config: Tiger.Config, ids: SemanticIds) -> Size:
    from tokbench.nn.transformer.layers import Size

    return Size(
        vocabulary=1 + sum(ids.level_sizes),
        d_model=config.d_model,
        d_ff=config.d_ff,
        heads=config.heads,
        d_head=config.d_head,
        encoder_layers=config.encoder_layers,
        decoder_layers=config.decoder_layers,
        dropout=config.dropout,
        cross_bias=config.encoder_attention == "causal",
    )

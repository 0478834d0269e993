"""A new generator is a network, its batches and its loss: here is one that keeps the contract."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tests.generators.test_tiger import toy
from tokbench import Beams, Generator, Runtime, SemanticIds, Sequences, option
from tokbench.generators.network import NetworkGenerator, NetworkModel
from tokbench.nn.training import Examples
from tokbench.testing import assert_conforms
from tokbench.types import Ints


# -- the generator ---------------------------------------------------------------------------------
class Pairs(NamedTuple):
    """Classes of items and of those that followed them."""

    before: Tensor  # [B]
    after: Tensor  # [B]
    supervised: int


class LastItem(NetworkGenerator["LastItemModel"]):
    """The next tuple from the last item alone."""

    name = "last-item"

    class Config(Generator.Config):
        """Size and training."""

        width: int = option(16, ge=1, description="width of an item")
        batch_size: int = option(8, ge=1, description="pairs of a step")
        epochs: int = option(12, ge=1, description="passes over the training data, at most")
        learning_rate: float = option(0.002, gt=0, description="of AdamW")
        patience: int = option(12, ge=1, description="validations without a gain before the end")

    config: Config

    def untrained(self, ids: SemanticIds) -> LastItemModel:
        return LastItemModel(self.config.width, ids)


class LastItemModel(NetworkModel):
    """Two matrices; class G stands for an empty history."""

    def __init__(self, width: int, ids: SemanticIds) -> None:
        self.tuples, self.member, _ = ids.groups()
        classes = len(self.tuples)
        self.network = nn.Sequential(nn.Embedding(classes + 1, width), nn.Linear(width, classes))

    def examples(self, train: Sequences, device: str) -> Examples[Pairs]:
        kept = np.setdiff1d(np.arange(1, len(train.items)), train.offsets)  # not a row's first
        classes = torch.from_numpy(self.member[train.items]).to(device)

        def whole(rows: Ints) -> list[Pairs]:
            after = torch.from_numpy(kept[rows]).to(device)
            return [Pairs(classes[after - 1], classes[after], len(rows))]

        def loss(pairs: Pairs) -> Tensor:
            scores = self.network(pairs.before)
            return nn.functional.cross_entropy(scores, pairs.after, reduction="sum")

        return Examples(len(kept), whole, loss)

    @torch.inference_mode()
    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        last = np.full(len(histories), len(self.tuples))
        some = histories.lengths > 0
        last[some] = self.member[histories.items[histories.offsets[1:][some] - 1]]
        network = self.network.to(runtime.device).eval()
        scores = network(torch.from_numpy(last).to(runtime.device)).log_softmax(-1).cpu()
        best = min(width, len(self.tuples))
        found, missing = scores.topk(best), ((0, 0), (0, width - best))
        codes = np.pad(self.tuples[found.indices], (*missing, (0, 0)), constant_values=-1)
        return Beams(codes, np.pad(found.values, missing, constant_values=-np.inf))


# -- what it must do -------------------------------------------------------------------------------
def train(seed: int = 0, **options: int) -> tuple[LastItemModel, Runtime]:
    catalog, histories, ids = toy()
    runtime = Runtime()
    generator = LastItem.of(**options)
    return generator.train(catalog, histories, ids, seed=seed, runtime=runtime), runtime


def test_a_new_generator_is_short() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert len(text.split("\n# -- ")[1].splitlines()) < 80


def test_it_keeps_the_contract() -> None:
    assert_conforms(LastItem, epochs=2)


def test_it_learns_and_keeps_the_weights_of_its_best_validation() -> None:
    """Training to the best epoch, no further, gives the same weights."""
    model, runtime = train()
    scores = [row["validation_ndcg10"] for row in runtime.rows]
    best = int(np.argmax(scores))
    assert scores[best] > 2 * scores[0]
    assert runtime.rows[-1]["loss"] < runtime.rows[0]["loss"]
    short, _ = train(epochs=best + 1)
    assert all(np.array_equal(v, short.state()[name]) for name, v in model.state().items())
    assert not model.network.training


def test_a_restored_model_writes_the_same_beams_and_leaves_the_seed_alone() -> None:
    model, _ = train(epochs=2)
    _, histories, ids = toy()
    before = torch.random.get_rng_state()
    again = LastItem().restore(model.state(), ids)
    assert torch.equal(before, torch.random.get_rng_state())
    ours, theirs = (
        m.generate(histories.validation.histories, width=8, runtime=Runtime())
        for m in (model, again)
    )
    assert np.array_equal(ours.codes, theirs.codes)
    assert np.array_equal(ours.scores, theirs.scores)

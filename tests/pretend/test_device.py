"""The pretend GPU refuses what a GPU refuses, and its graphs do what was recorded."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.nn.transformer.test_collator import TOKENS, windowed
from tests.pretend.device import STATE, PretendError, counting
from tests.pretend.graphs import Graph, graph
from tokbench.nn.training.gradient import Examples, GradientStep
from tokbench.nn.transformer.collator import Collator, Grid, MicroBatch
from tokbench.nn.transformer.layers import Size
from tokbench.nn.transformer.loss import summed_loss
from tokbench.nn.transformer.t5 import Transformer

SIZE = Size(20, 32, 64, 2, 16, 1, 1, dropout=0.0)


def test_a_replay_repeats_what_was_recorded_and_recording_changes_nothing() -> None:
    with counting() as seen:
        x, total = torch.ones(3, device="pretend"), torch.zeros(3, device="pretend")
        recorded = Graph()
        with graph(recorded):
            total.add_(x * 2)
        assert total.tolist() == [0.0] * 3
        x.fill_(2.0)
        recorded.replay()
        recorded.replay()
        assert total.tolist() == [8.0] * 3
        assert (seen.replays, seen.replayed, seen.captures) == (2, 4, 1)


def test_a_graph_on_the_wrong_card_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    with counting():
        x = torch.ones(3, device="pretend:0")
        monkeypatch.setattr(STATE, "current", 1)
        with pytest.warns(UserWarning, match="empty"), graph(Graph()):
            x.add_(1)


@pytest.mark.parametrize("slip", ["arange", "item", "mask", "upload"])
def test_slips_in_a_recorded_pass_are_caught(slip: str) -> None:
    """What would fail on a card: an operand left on the CPU, a number read, a mask selected by, an
    upload."""
    items, windows = windowed(False)
    grid = Grid(windows=8, items=3)
    collator = Collator(items, TOKENS, causal=False, device="pretend", grid=grid)

    def slipping(model: Transformer, batch: MicroBatch) -> Tensor:
        loss = summed_loss(model, batch)
        if slip == "arange":
            return loss + torch.arange(3).float().sum(0, keepdim=True)[0:1].mul(loss).sum()
        if slip == "item":
            return loss * float(loss.detach() * 0 + 1)
        if slip == "mask":
            return loss + loss.view(1)[loss.view(1) > 1e9].sum()
        return loss + torch.ones(3).to("pretend").sum()

    with counting():
        torch.manual_seed(0)
        model = Transformer(SIZE).to("pretend")
        examples = Examples(0, partial(collator.micro_batches, windows),
                            partial(slipping, model), recordable=True)  # fmt: skip
        step = GradientStep(model, examples, torch.optim.SGD(model.parameters()))
        with pytest.raises(PretendError, match=r"same device|capturing"):
            step(np.arange(8))

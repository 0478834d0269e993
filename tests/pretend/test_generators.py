"""Generators on a pretend GPU: the CPU's losses, weights and beams; few waits, few launches."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.generators import test_item_network, test_tiger
from tests.generators.test_tiger import toy
from tests.pretend.device import STATE, State, counting
from tokbench.api import Runtime
from tokbench.generators.network import NetworkGenerator
from tokbench.generators.parallel import Parallel
from tokbench.generators.rq_transformer import RqTransformer
from tokbench.generators.sasrec import SasRec
from tokbench.generators.tiger import Tiger
from tokbench.types import Beams

EPOCHS = 3  # the first records its graphs, the second is like any other, the third validates
SAME: dict[str, Any] = {"dropout": 0.0, "epochs": EPOCHS, "eval_every": EPOCHS, "batch_size": 64}
TIGER: dict[str, Any] = {**test_tiger.SMALL, **SAME}
CAUSAL: dict[str, Any] = {
    "layers": 1, "d_model": 32, "d_ff": 64, "heads": 2, "d_head": 16, "history_items": 6,
    "warmup_steps": 10, **SAME,
}  # fmt: skip


def causal() -> NetworkGenerator[Any]:
    made: NetworkGenerator[Any] = pytest.importorskip("tokbench_causal").Causal.of(**CAUSAL)
    return made


GENERATORS: dict[str, Callable[[], NetworkGenerator[Any]]] = {
    "tiger": lambda: Tiger.of(**TIGER),
    "tiger, causal encoder": lambda: Tiger.of(
        **{**TIGER, "encoder_attention": "causal", "batch_size": 32}
    ),
    "tiger, whole items": lambda: Tiger.of(**TIGER, encoder_positions="items"),
    "parallel": lambda: Parallel.of(**{**test_item_network.SMALL, **SAME, "batch_size": 32}),
    "rq-transformer": lambda: RqTransformer.of(
        **{**test_item_network.SMALL, **SAME, "batch_size": 32}
    ),
    "sasrec": lambda: SasRec.of(**{**test_item_network.SMALL, **SAME, "batch_size": 32}),
    "causal": causal,
}


@dataclass(frozen=True)
class Watched(Runtime):
    """A Runtime that notes what the device has counted by the end of every epoch."""

    counted: list[State] = field(default_factory=list)

    def log(self, **row: float) -> None:
        super().log(**row)
        self.counted.append(deepcopy(STATE))


@dataclass
class Trained:
    """What a run left behind."""

    losses: list[float]
    state: dict[str, NDArray[Any]]
    beams: Beams
    epochs: list[State]
    searching: State


def run(name: str, device: str) -> Trained:
    catalog, histories, ids = toy()
    generator, runtime = GENERATORS[name](), Watched(device=device)
    with counting():
        model = generator.train(catalog, histories, ids, seed=0, runtime=runtime)
        state = model.state()
    with counting() as seen:
        beams = model.generate(histories.validation.histories, width=8, runtime=Runtime(device))
        searching = deepcopy(seen)
    losses = [row["loss"] for row in runtime.rows]
    return Trained(losses, state, beams, runtime.counted, searching)


on_cpu = cache(lambda name: run(name, "cpu"))


@pytest.mark.parametrize("name", GENERATORS)
def test_losses_weights_and_beams_are_those_of_the_cpu(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a card that is not the current one, as with `--device cuda:1`: a graph captured on the
    wrong one does nothing. (Autograd of a Python backend knows one card, so it is the current one
    that is another.)"""
    monkeypatch.setattr(STATE, "current", 1)
    ours, theirs = run(name, "pretend:0"), on_cpu(name)
    assert ours.losses == pytest.approx(theirs.losses, rel=1e-4)
    assert ours.losses[-1] < ours.losses[0]
    for part, weights in theirs.state.items():
        np.testing.assert_allclose(ours.state[part], weights, rtol=1e-3, atol=1e-4)
    assert np.array_equal(ours.beams.codes, theirs.beams.codes)
    np.testing.assert_allclose(ours.beams.scores, theirs.beams.scores, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", GENERATORS)
def test_an_epoch_waits_once_and_launches_little(name: str) -> None:
    """Once the graphs are there: one read of the losses, uploads from pinned memory only."""
    first, second, _ = run(name, "pretend").epochs
    assert sum((second.waits - first.waits).values()) == 1, second.waits - first.waits
    assert not [at for at in second.uploads - first.uploads if "blocking" in at]
    replays = second.replays - first.replays
    assert replays and second.captures == first.captures
    assert second.from_host - first.from_host <= MOST * replays


MOST = 32  # launches by the host in a step

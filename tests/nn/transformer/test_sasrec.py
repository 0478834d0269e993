"""The network sees only the past, and its loss is softmax cross-entropy over all classes."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from tokbench.api import Runtime
from tokbench.nn.training import Examples, Recipe, train
from tokbench.nn.transformer.collator import IGNORED
from tokbench.nn.transformer.sasrec import Collator, MicroBatch, SasRec, summed_loss
from tokbench.nn.transformer.windows import Windows, sequence_windows

CLASSES, PLACES = 9, 7


@pytest.fixture
def network() -> SasRec:
    torch.manual_seed(0)
    made = SasRec(classes=CLASSES, places=PLACES, width=8, layers=2, heads=2, rate=0.0).eval()
    with torch.no_grad():  # large enough that a leak would show
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return made


def test_a_place_depends_on_all_earlier_places_and_on_no_later_one(network: SasRec) -> None:
    inputs = torch.tensor([[CLASSES, 1, 2, 3, 4, 5, 6]])
    with torch.no_grad():
        before = network.logits(network(inputs))[0]
        for changed in range(PLACES):
            other = inputs.clone()
            other[0, changed] = 8
            moved = (network.logits(network(other))[0] - before).abs().amax(dim=-1) > 1e-6
            assert moved.tolist() == [place >= changed for place in range(PLACES)]


def test_hidden_states_against_the_block_written_out(network: SasRec) -> None:
    """One history in numpy: norms, attention head by head, feed-forward, residuals."""
    inputs = [CLASSES, 3, 1, 4]
    w = {name: value.detach().double().numpy() for name, value in network.named_parameters()}

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(axis=1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
        scaled: np.ndarray = centred / spread * w[f"{name}.weight"] + w[f"{name}.bias"]
        return scaled

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        out: np.ndarray = x @ w[f"{name}.weight"].T + w[f"{name}.bias"]
        return out

    x = w["items"][inputs] * np.sqrt(8) + w["place"][:4]
    for layer in ("blocks.0", "blocks.1"):
        q, k, v = np.split(linear(norm(x, f"{layer}.attention_norm"), f"{layer}.inward"), 3, axis=1)
        seen = np.zeros_like(x)
        for head in (slice(0, 4), slice(4, 8)):
            for place in range(4):
                score = q[place, head] @ k[: place + 1, head].T / 2
                weight = np.exp(score) / np.exp(score).sum()
                seen[place, head] = weight @ v[: place + 1, head]
        x = x + linear(seen, f"{layer}.outward")
        inner = np.maximum(linear(norm(x, f"{layer}.forward_norm"), f"{layer}.wide"), 0)
        x = x + linear(inner, f"{layer}.narrow")
    expected = norm(x, "norm")
    with torch.no_grad():
        found = network(torch.tensor([inputs]))[0]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_the_loss_is_full_softmax_cross_entropy_where_supervised(network: SasRec) -> None:
    inputs = torch.tensor([[CLASSES, 1, 2], [CLASSES, 4, 4]])
    labels = torch.tensor([[1, 2, 8], [IGNORED, 0, IGNORED]])
    with torch.no_grad():
        loss = summed_loss(network, MicroBatch(inputs, labels, 4))
        hidden = network(inputs).double().numpy()
    scores = hidden @ network.items.detach().double().numpy()[:CLASSES].T
    expected = 0.0
    for row, place, label in ((0, 0, 1), (0, 1, 2), (0, 2, 8), (1, 1, 0)):
        s = scores[row, place]
        expected -= s[label] - np.log(np.exp(s).sum())
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_micro_batches_shift_by_one_and_supervise_each_window_from_its_first_target() -> None:
    items = np.array([1, 2, 3, 4, 5, 6, 7])
    windows = Windows(np.array([0, 2]), np.array([3, 7]), np.array([0, 3]))
    collator = Collator(items, windows, start=9, budget=5, device="cpu")
    (short, long) = collator(np.array([0, 1]))
    assert short.inputs.tolist() == [[9, 1, 2]]
    assert short.labels.tolist() == [[1, 2, 3]]
    assert long.inputs.tolist() == [[9, 3, 4, 5, 6]]
    assert long.labels.tolist() == [[IGNORED, IGNORED, IGNORED, 6, 7]]
    assert (short.supervised, long.supervised) == (3, 2)
    (both,) = Collator(items, windows, start=9, budget=100, device="cpu")(np.array([0, 1]))
    assert both.inputs.tolist() == [[9, 1, 2, 3, 9], [9, 3, 4, 5, 6]]
    assert both.labels.tolist() == [[1, 2, 3, IGNORED, IGNORED], [IGNORED] * 3 + [6, 7]]


def test_an_update_does_not_depend_on_how_the_batch_is_cut() -> None:
    rng = np.random.default_rng(0)
    lengths = [2, 5, 3, 6, 4]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    items = rng.integers(0, CLASSES, offsets[-1])
    windows = sequence_windows(offsets, 6)
    states = []
    for budget in (1, 1000):
        torch.manual_seed(1)
        made = SasRec(classes=CLASSES, places=PLACES, width=8, layers=1, heads=2, rate=0.0)
        runtime, waiting = Runtime(), iter((0.1, 0.2))
        train(
            made,
            Examples(
                len(windows),
                Collator(items, windows, start=CLASSES, budget=budget, device="cpu"),
                partial(summed_loss, made),
            ),
            Recipe(batch_size=8, epochs=2, learning_rate=1e-2),
            lambda waiting=waiting: {"quality": next(waiting)},  # type: ignore[misc]
            rng=np.random.default_rng(0),
            runtime=runtime,
        )
        losses = [row["loss"] for row in runtime.rows]
        assert losses[1] < losses[0]
        states.append((losses, made.items.detach().numpy()))
    assert states[0][0] == pytest.approx(states[1][0], rel=1e-5)
    np.testing.assert_allclose(states[0][1], states[1][1], atol=2e-3)

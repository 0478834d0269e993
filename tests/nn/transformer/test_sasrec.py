"""The network sees only the past, and its loss is softmax cross-entropy over all classes."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from tokbench.api import Runtime
from tokbench.nn.training import Examples, Recipe, train
from tokbench.nn.transformer.collator import IGNORED
from tokbench.nn.transformer.sasrec import (
    Collator,
    MicroBatch,
    SasRec,
    sampled_loss,
    summed_loss,
)
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


def test_the_sampled_loss_is_softmax_over_the_target_and_what_was_drawn(network: SasRec) -> None:
    """By numpy, with the same draws; a draw that is a place's own target is left out there."""
    inputs = torch.tensor([[CLASSES, 1, 2], [CLASSES, 4, 4]])
    labels = torch.tensor([[1, 2, 8], [IGNORED, 0, IGNORED]])
    negatives, own_target_drawn = 5, 0
    for seed in range(6):
        torch.manual_seed(seed)
        with torch.no_grad():
            loss = sampled_loss(network, MicroBatch(inputs, labels, 4), negatives)
            hidden = network(inputs).double().numpy()
        torch.manual_seed(seed)
        drawn = torch.randint(CLASSES, (negatives,)).tolist()
        items = network.items.detach().double().numpy()
        expected = 0.0
        for row, place, label in ((0, 0, 1), (0, 1, 2), (0, 2, 8), (1, 1, 0)):
            target = np.exp(hidden[row, place] @ items[label])
            others = [np.exp(hidden[row, place] @ items[n]) for n in drawn if n != label]
            own_target_drawn += label in drawn
            expected -= np.log(target / (target + sum(others)))
        assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert own_target_drawn


def test_with_every_other_class_drawn_once_the_sampled_loss_is_the_full_one(
    network: SasRec, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, labels = torch.tensor([[CLASSES, 1, 2]]), torch.tensor([[1, 2, 8]])
    batch = MicroBatch(inputs, labels, 3)
    monkeypatch.setattr("torch.randint", lambda high, size, device: torch.arange(high))
    with torch.no_grad():
        assert float(sampled_loss(network, batch, CLASSES)) == pytest.approx(
            float(summed_loss(network, batch)), rel=1e-5
        )


def test_scores_that_minimise_the_sampled_loss_are_log_probabilities() -> None:
    """So bits per item, which take the full softmax, mean the same under either loss. A model of
    one state and five classes, learnt from the frequencies 5 : 4 : 3 : 2 : 1."""
    torch.manual_seed(0)
    p = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0]) / 15
    scores = torch.zeros(5, requires_grad=True)
    optimizer = torch.optim.Adam([scores], lr=0.05)

    class OneState:
        classes = 5

        @property
        def items(self) -> torch.Tensor:
            return scores.unsqueeze(1)

        def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
            return torch.ones(*inputs.shape, 1)

    for step in range(1500):
        for group in optimizer.param_groups:
            group["lr"] = 0.05 / (1 + step / 100)
        labels = torch.multinomial(p, 64, replacement=True).unsqueeze(0)
        loss = sampled_loss(OneState(), MicroBatch(labels, labels, 64), 2)  # type: ignore[arg-type]
        optimizer.zero_grad()
        torch.autograd.backward(loss / 64)
        optimizer.step()
    np.testing.assert_allclose(scores.detach().softmax(0), p, atol=0.02)

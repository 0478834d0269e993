"""What reads one position per item, computed once more in numpy; used by the tests of its heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tokbench.nn.transformer.collator import IGNORED
from tokbench.nn.transformer.items import ItemTransformer, summed_loss
from tokbench.nn.transformer.parallel import ParallelHeads
from tokbench.nn.transformer.rq import RqTransformer
from tokbench.nn.transformer.sasrec import MicroBatch

SIZES, PLACES, WIDTH, HEADS = (3, 4, 2), 6, 8, 2
TUPLES = np.array(
    [[0, 1, 0], [0, 1, 1], [0, 3, 0], [1, 0, 1], [2, 2, 0], [2, 2, 1], [2, 3, 1]], np.int32
)
CLASSES = len(TUPLES)
BASE = np.cumsum([0, *SIZES[:-1]])
Weights = dict[str, NDArray[np.float64]]


def made(kind: type[ItemTransformer], **options: Any) -> Any:
    """A network with weights so large that a mistake would show."""
    torch.manual_seed(0)
    shape: dict[str, Any] = {"places": PLACES, "layers": 2, "heads": HEADS, "rate": 0.0}
    network = kind(TUPLES, SIZES, width=WIDTH, **shape, **options).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return network


def hidden_of(network: ItemTransformer, rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Of the last place of each row."""
    with torch.no_grad():
        states = [network(torch.tensor([[CLASSES, *row]]))[0, -1] for row in rows]
    return torch.stack(states)


def weights(network: ItemTransformer) -> Weights:
    return {name: value.detach().double().numpy() for name, value in network.named_parameters()}


def norm(w: Weights, x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    centred = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    scaled: NDArray[np.float64] = centred / spread * w[f"{name}.weight"]
    return scaled


def feed_forward(w: Weights, x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    inner = np.maximum(norm(w, x, f"{name}.norm") @ w[f"{name}.wide"].T, 0)
    out: NDArray[np.float64] = x + inner @ w[f"{name}.narrow"].T
    return out


def state_by_hand(network: ItemTransformer, history: Sequence[int]) -> NDArray[np.float64]:
    """The hidden state after a history, in numpy and float64."""
    w = weights(network)
    start = np.full((1, len(SIZES)), sum(SIZES))
    tokens = np.vstack([TUPLES + BASE, start])[[CLASSES, *history]]
    x = w["read"][tokens].sum(axis=1) * np.sqrt(WIDTH)
    for layer in ("blocks.0", "blocks.1"):
        q, k, v = np.split(norm(w, x, f"{layer}.0.norm") @ w[f"{layer}.0.qkv"].T, 3, axis=1)
        seen = np.zeros_like(x)
        for h in range(HEADS):
            at = slice(h * WIDTH // HEADS, (h + 1) * WIDTH // HEADS)
            for i in range(len(x)):
                scores = [
                    q[i, at] @ k[j, at] / np.sqrt(WIDTH / HEADS) + w[f"{layer}.0.bias"][h, i - j]
                    for j in range(i + 1)
                ]
                share = np.exp(scores) / np.exp(scores).sum()
                seen[i, at] = share @ v[: i + 1, at]
        x = feed_forward(w, x + seen @ w[f"{layer}.0.out"].T, f"{layer}.1")
    state: NDArray[np.float64] = norm(w, x, "norm")[-1]
    return state


def assert_a_distribution(
    network: ItemTransformer, history: list[int], expected: NDArray[np.float64]
) -> None:
    """log p of all classes after a history is as expected, and theirs is all probability."""
    hidden = hidden_of(network, [history]).expand(CLASSES, -1)
    with torch.no_grad():
        found = network.log_p(hidden, torch.arange(CLASSES)).double().numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-5)
    assert found.std() > 0.1


def assert_ranks_all(
    network: Any, rows: list[list[int]], by_hand: Callable[[Any, list[int]], NDArray[np.float64]]
) -> torch.Tensor:
    """A search for more than there are gives every class by its log p; the classes it gave."""
    classes: torch.Tensor
    classes, scores = network.search(hidden_of(network, rows), CLASSES + 2)
    for row, history in enumerate(rows):
        expected = by_hand(network, history)
        assert classes[row, :CLASSES].tolist() == np.argsort(-expected).tolist()
        np.testing.assert_allclose(scores[row, :CLASSES], np.sort(expected)[::-1], atol=2e-5)
    assert (classes[:, CLASSES:] == -1).all()
    assert torch.isneginf(scores[:, CLASSES:]).all()
    return classes


@pytest.fixture(params=[RqTransformer, ParallelHeads])
def network(request: pytest.FixtureRequest) -> ItemTransformer:
    options = {"objective": "tuples"} if request.param is ParallelHeads else {}
    found: ItemTransformer = made(request.param, **options)
    return found


@pytest.mark.parametrize("history", [[], [3], [0, 6, 2, 2]])
def test_hidden_states_against_the_blocks_written_out(
    network: ItemTransformer, history: list[int]
) -> None:
    found = hidden_of(network, [history])[0].double().numpy()
    np.testing.assert_allclose(found, state_by_hand(network, history), atol=2e-5)


def test_a_place_depends_on_all_earlier_places_and_on_no_later_one(
    network: ItemTransformer,
) -> None:
    inputs = torch.tensor([[CLASSES, 1, 2, 3, 4, 5]])
    with torch.no_grad():
        before = network(inputs)[0]
        for changed in range(PLACES):
            other = inputs.clone()
            other[0, changed] = 6
            moved = (network(other)[0] - before).abs().amax(dim=-1) > 1e-6
            assert moved.tolist() == [place >= changed for place in range(PLACES)]


def test_the_loss_is_the_sum_over_supervised_places(network: ItemTransformer) -> None:
    inputs = torch.tensor([[CLASSES, 1, 2], [CLASSES, 6, CLASSES]])
    labels = torch.tensor([[IGNORED, 2, 5], [0, IGNORED, IGNORED]])
    with torch.no_grad():
        loss = summed_loss(network, MicroBatch(inputs, labels, 3))
    wanted = {2: [1], 5: [1, 2], 0: []}
    with torch.no_grad():
        log_p = network.log_p(hidden_of(network, list(wanted.values())), torch.tensor([*wanted]))
    expected = -float(log_p.sum())
    assert float(loss) == pytest.approx(expected, abs=1e-4)

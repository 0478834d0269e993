"""The RQ-Transformer is a distribution over the tuples that exist, computed once more in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tokbench.nn.transformer.collator import IGNORED
from tokbench.nn.transformer.rq import RqTransformer, absent, search, summed_loss
from tokbench.nn.transformer.sasrec import MicroBatch

SIZES, PLACES, WIDTH, HEADS = (3, 4, 2), 6, 8, 2
TUPLES = np.array(
    [[0, 1, 0], [0, 1, 1], [0, 3, 0], [1, 0, 1], [2, 2, 0], [2, 2, 1], [2, 3, 1]], np.int32
)
CLASSES = len(TUPLES)


@pytest.fixture
def network() -> RqTransformer:
    torch.manual_seed(0)
    made = RqTransformer(
        TUPLES, SIZES, places=PLACES, width=WIDTH, layers=2, heads=HEADS, rate=0.0
    ).eval()
    with torch.no_grad():  # large enough that a mistake would show
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return made


def hidden_of(network: RqTransformer, rows: list[list[int]]) -> torch.Tensor:
    """Of the last place of each row."""
    with torch.no_grad():
        states = [network(torch.tensor([[CLASSES, *row]]))[0, -1] for row in rows]
    return torch.stack(states)


def by_hand(network: RqTransformer, history: list[int]) -> np.ndarray:
    """log p of every class after a history, level by level, in numpy and float64."""
    w = {name: value.detach().double().numpy() for name, value in network.named_parameters()}
    base = np.cumsum([0, *SIZES[:-1]])

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        scaled: np.ndarray = centred / spread * w[f"{name}.weight"]
        return scaled

    def feed_forward(x: np.ndarray, name: str) -> np.ndarray:
        inner = np.maximum(norm(x, f"{name}.norm") @ w[f"{name}.wide"].T, 0)
        out: np.ndarray = x + inner @ w[f"{name}.narrow"].T
        return out

    start = np.full((1, len(SIZES)), sum(SIZES))
    tokens = np.vstack([TUPLES + base, start])[[CLASSES, *history]]
    x = w["read"][tokens].sum(axis=1) * np.sqrt(WIDTH)
    for layer in ("blocks.0", "blocks.1"):
        q, k, v = np.split(norm(x, f"{layer}.0.norm") @ w[f"{layer}.0.qkv"].T, 3, axis=1)
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
        x = feed_forward(x + seen @ w[f"{layer}.0.out"].T, f"{layer}.1")
    state = norm(x, "norm")[-1]
    found = []
    for codes in TUPLES:
        total, so_far = 0.0, np.zeros(WIDTH)
        for m, code in enumerate(codes):
            u = norm(feed_forward(state + so_far, f"depth.{m}"), "depth_norm")
            follow = sorted({row[m] for row in TUPLES if (row[:m] == codes[:m]).all()})
            scores = w["write"][base[m] + np.array(follow)] @ u
            total += scores[follow.index(code)] - np.log(np.exp(scores).sum())
            so_far = so_far + w["past"][base[m] + code] * np.sqrt(WIDTH)
        found.append(total)
    return np.array(found)


@pytest.mark.parametrize("history", [[], [3], [0, 6, 2, 2]])
def test_log_p_against_the_model_written_out_and_all_tuples_sum_to_one(
    network: RqTransformer, history: list[int]
) -> None:
    hidden = hidden_of(network, [history]).expand(CLASSES, -1)
    with torch.no_grad():
        found = network.log_p(hidden, torch.arange(CLASSES)).double().numpy()
    np.testing.assert_allclose(found, by_hand(network, history), atol=2e-5)
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-5)
    assert found.std() > 0.1


def test_the_search_at_full_width_ranks_every_tuple(network: RqTransformer) -> None:
    rows = [[], [1, 5], [6, 6, 0, 4, 2]]
    classes, scores = search(network, hidden_of(network, rows), CLASSES + 2)
    for row, history in enumerate(rows):
        expected = by_hand(network, history)
        assert classes[row, :CLASSES].tolist() == np.argsort(-expected).tolist()
        np.testing.assert_allclose(scores[row, :CLASSES], np.sort(expected)[::-1], atol=2e-5)
    assert (classes[:, CLASSES:] == -1).all()
    assert torch.isneginf(scores[:, CLASSES:]).all()


def test_a_narrow_search_keeps_the_best_prefixes_and_their_scores(network: RqTransformer) -> None:
    classes, scores = search(network, hidden_of(network, [[2, 4]]), 3)
    exact = by_hand(network, [2, 4])
    assert len(set(classes[0].tolist())) == 3
    np.testing.assert_allclose(scores[0], exact[classes[0].numpy()], atol=2e-5)


def test_a_place_depends_on_all_earlier_places_and_on_no_later_one(network: RqTransformer) -> None:
    inputs = torch.tensor([[CLASSES, 1, 2, 3, 4, 5]])
    with torch.no_grad():
        before = network(inputs)[0]
        for changed in range(PLACES):
            other = inputs.clone()
            other[0, changed] = 6
            moved = (network(other)[0] - before).abs().amax(dim=-1) > 1e-6
            assert moved.tolist() == [place >= changed for place in range(PLACES)]


def test_the_loss_is_the_sum_over_supervised_places(network: RqTransformer) -> None:
    inputs = torch.tensor([[CLASSES, 1, 2], [CLASSES, 6, CLASSES]])
    labels = torch.tensor([[IGNORED, 2, 5], [0, IGNORED, IGNORED]])
    with torch.no_grad():
        loss = summed_loss(network, MicroBatch(inputs, labels, 3))
    expected = -by_hand(network, [1])[2] - by_hand(network, [1, 2])[5] - by_hand(network, [])[0]
    assert float(loss) == pytest.approx(expected, abs=1e-4)


def test_absent_codes_are_those_that_follow_no_such_prefix(network: RqTransformer) -> None:
    found = absent(network.tree, 1, torch.tensor([0, 1, 2]), SIZES[0], SIZES[1])
    assert (~found).int().tolist() == [[0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 1]]

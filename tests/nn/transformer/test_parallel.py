"""Parallel heads are a distribution over the tuples that exist, computed once more in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.nn.transformer.test_items import (
    BASE,
    TUPLES,
    assert_a_distribution,
    assert_ranks_all,
    feed_forward,
    hidden_of,
    made,
    norm,
    state_by_hand,
    weights,
)
from tokbench.nn.transformer.parallel import ParallelHeads

HISTORIES = [[], [3], [0, 6, 2, 2]]


@pytest.fixture(params=["tuples", "levels"])
def network(request: pytest.FixtureRequest) -> ParallelHeads:
    found: ParallelHeads = made(ParallelHeads, objective=request.param)
    return found


def logits_by_hand(network: ParallelHeads, history: list[int]) -> list[NDArray[np.float64]]:
    """A score for each code of each level, in numpy and float64."""
    w, state = weights(network), state_by_hand(network, history)
    tables = np.split(w["write"], BASE[1:])
    return [
        table @ norm(w, feed_forward(w, state, f"heads.{m}"), "head_norm")
        for m, table in enumerate(tables)
    ]


def by_hand(network: ParallelHeads, history: list[int]) -> NDArray[np.float64]:
    """log p of every class: each level's softmax, then what does not exist left out."""
    levels = [np.exp(scores) / np.exp(scores).sum() for scores in logits_by_hand(network, history)]
    product = np.prod([levels[m][TUPLES[:, m]] for m in range(TUPLES.shape[1])], axis=0)
    found: NDArray[np.float64] = np.log(product / product.sum())
    return found


@pytest.mark.parametrize("history", HISTORIES)
def test_log_p_against_the_model_written_out_and_all_tuples_sum_to_one(
    network: ParallelHeads, history: list[int]
) -> None:
    assert_a_distribution(network, history, by_hand(network, history))


def test_the_search_ranks_every_tuple_and_a_narrow_one_is_its_beginning(
    network: ParallelHeads,
) -> None:
    classes = assert_ranks_all(network, HISTORIES, by_hand)
    narrow, _ = network.search(hidden_of(network, HISTORIES), 3)
    assert torch.equal(narrow, classes[:, :3])


def test_the_loss_is_over_all_tuples_or_over_each_level() -> None:
    history, target = [2, 5], 4
    for objective in ("tuples", "levels"):
        network = made(ParallelHeads, objective=objective)
        with torch.no_grad():
            loss = float(network.loss(hidden_of(network, [history]), torch.tensor([target])))
        levels = [
            scores[code] - np.log(np.exp(scores).sum())
            for scores, code in zip(logits_by_hand(network, history), TUPLES[target], strict=True)
        ]
        expected = by_hand(network, history)[target] if objective == "tuples" else sum(levels)
        assert loss == pytest.approx(-expected, abs=2e-5)

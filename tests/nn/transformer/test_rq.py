"""The RQ-Transformer is a distribution over the tuples that exist, computed once more in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.nn.transformer.test_items import (
    BASE,
    SIZES,
    TUPLES,
    WIDTH,
    assert_a_distribution,
    assert_ranks_all,
    feed_forward,
    hidden_of,
    made,
    norm,
    state_by_hand,
    weights,
)
from tokbench.nn.transformer.rq import RqTransformer, absent


@pytest.fixture
def network() -> RqTransformer:
    found: RqTransformer = made(RqTransformer)
    return found


def by_hand(network: RqTransformer, history: list[int]) -> np.ndarray:
    """log p of every class after a history, level by level, in numpy and float64."""
    w, state = weights(network), state_by_hand(network, history)
    found = []
    for codes in TUPLES:
        total, so_far = 0.0, np.zeros(WIDTH)
        for m, code in enumerate(codes):
            u = norm(w, feed_forward(w, state + so_far, f"depth.{m}"), "depth_norm")
            follow = sorted({row[m] for row in TUPLES if (row[:m] == codes[:m]).all()})
            scores = w["write"][BASE[m] + np.array(follow)] @ u
            total += scores[follow.index(code)] - np.log(np.exp(scores).sum())
            so_far = so_far + w["past"][BASE[m] + code] * np.sqrt(WIDTH)
        found.append(total)
    return np.array(found)


@pytest.mark.parametrize("history", [[], [3], [0, 6, 2, 2]])
def test_log_p_against_the_model_written_out_and_all_tuples_sum_to_one(
    network: RqTransformer, history: list[int]
) -> None:
    assert_a_distribution(network, history, by_hand(network, history))


def test_the_search_at_full_width_ranks_every_tuple(network: RqTransformer) -> None:
    assert_ranks_all(network, [[], [1, 5], [6, 6, 0, 4, 2]], by_hand)


def test_a_narrow_search_keeps_the_best_prefixes_and_their_scores(network: RqTransformer) -> None:
    classes, scores = network.search(hidden_of(network, [[2, 4]]), 3)
    exact = by_hand(network, [2, 4])
    assert len(set(classes[0].tolist())) == 3
    np.testing.assert_allclose(scores[0], exact[classes[0].numpy()], atol=2e-5)


def test_absent_codes_are_those_that_follow_no_such_prefix(network: RqTransformer) -> None:
    found = absent(network.tree, 1, torch.tensor([0, 1, 2]), SIZES[0], SIZES[1])
    assert (~found).int().tolist() == [[0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 1]]

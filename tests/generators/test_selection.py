"""The epoch that is kept: the best validation's, the last epoch validated too, then the stop."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from torch import nn

from tokbench.api import Runtime
from tokbench.generators import selection
from tokbench.generators.selection import BestEpoch, Trained, sample
from tokbench.types import Queries, Sequences

QUERIES = Queries(np.arange(9), Sequences.of([[n] for n in range(9)]), np.arange(9) + 100)


def best_of(
    scores: list[float], monkeypatch: pytest.MonkeyPatch, **config: int
) -> tuple[list[bool], BestEpoch, nn.Linear]:
    """Answers of epochs 1, 2, ... whose weights are their number; validations are given."""
    waiting, network = iter(scores), nn.Linear(1, 1, bias=False)

    def validate(*_: object) -> dict[str, float]:
        return {"validation_ndcg10": next(waiting), "validation_recall10": 0.0}

    monkeypatch.setattr(selection, "validate", validate)
    model = cast("Trained", SimpleNamespace(network=network))
    best = BestEpoch(model, QUERIES, config=SimpleNamespace(**config), width=10, runtime=Runtime())
    answers = []
    for epoch in range(1, config["epochs"] + 1):
        nn.init.constant_(network.weight, epoch)
        answers.append(best(epoch, 0.0))
        if answers[-1]:
            break
    return answers, best, network


def test_the_best_weights_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validations after epochs 2, 4, 6, and after the last, 7, where none is due."""
    scores = [0.1, 0.4, 0.4, 0.3]
    answers, best, network = best_of(scores, monkeypatch, epochs=7, eval_every=2, patience=9)
    assert answers == [False] * 7
    validated = [row["epoch"] for row in best.runtime.rows if "validation_ndcg10" in row]
    assert validated == [2, 4, 6, 7]
    best.restore()
    assert network.weight.item() == 4.0, "the first of two that are level"
    assert not network.training


def test_training_ends_after_so_many_validations_without_a_gain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = [0.2, 0.3, 0.1, 0.1, 0.9]
    answers, best, _ = best_of(scores, monkeypatch, epochs=20, eval_every=3, patience=2)
    assert len(answers) == 12, "the best was after epoch 6; two more validations, each 3 epochs on"
    assert answers[-1]
    assert best.epoch == 6


def test_a_sample_keeps_user_history_and_target_together() -> None:
    drawn = sample(QUERIES, 4, np.random.default_rng(0))
    assert len(drawn) == 4
    assert np.all(np.diff(drawn.users) > 0)
    assert np.array_equal(drawn.targets, drawn.users + 100)
    assert [int(drawn.histories[row][0]) for row in range(4)] == drawn.users.tolist()
    assert sample(QUERIES, 0, np.random.default_rng(0)) is QUERIES
    assert sample(QUERIES, 9, np.random.default_rng(0)) is QUERIES

"""The epoch that is kept: the best validation's, the last epoch validated too, then the stop."""

from __future__ import annotations

from torch import nn

from tokbench.api import Runtime
from tokbench.nn.training.best_epoch import BestEpoch
from tokbench.nn.training.recipe import Recipe


def best_of(
    scores: list[float], *, epochs: int, eval_every: int, patience: int
) -> tuple[list[bool], BestEpoch, nn.Linear]:
    """Answers of epochs 1, 2, ... whose weights are their number; validations are given."""
    waiting, network = iter(scores), nn.Linear(1, 1, bias=False)

    def validate() -> dict[str, float]:
        return {"validation_ndcg10": next(waiting), "validation_recall10": 0.0}

    recipe = Recipe(1, epochs, 1.0, eval_every=eval_every, patience=patience)
    best = BestEpoch(network, validate, recipe, Runtime())
    answers = []
    for epoch in range(1, epochs + 1):
        nn.init.constant_(network.weight, epoch)
        answers.append(best(epoch, [0.0]))
        if answers[-1]:
            break
    return answers, best, network


def test_the_best_weights_come_back() -> None:
    """Validations after epochs 2, 4, 6, and after the last, 7, where none is due."""
    scores = [0.1, 0.4, 0.4, 0.3]
    answers, best, network = best_of(scores, epochs=7, eval_every=2, patience=9)
    assert answers == [False] * 7
    validated = [row["epoch"] for row in best.runtime.rows if "validation_ndcg10" in row]
    assert validated == [2, 4, 6, 7]
    best.restore()
    assert network.weight.item() == 4.0, "the first of two that are level"
    assert not network.training


def test_training_ends_after_so_many_validations_without_a_gain() -> None:
    scores = [0.2, 0.3, 0.1, 0.1, 0.9]
    answers, best, _ = best_of(scores, epochs=20, eval_every=3, patience=2)
    assert len(answers) == 12, "the best was after epoch 6; two more validations, each 3 epochs on"
    assert answers[-1]
    assert best.epoch == 6

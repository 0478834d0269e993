"""A step follows the mean over a batch's targets; training ends with the best weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tokbench.api import Runtime
from tokbench.nn.training import Examples, GradientStep, Recipe, train
from tokbench.types import Ints


class Rows(NamedTuple):
    x: Tensor
    supervised: int


X = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))


def examples(network: nn.Linear, size: int) -> Examples[Rows]:
    """Predict the first number of a row from the row, in micro-batches of so many rows."""

    def micro_batches(rows: Ints) -> Iterator[Rows]:
        for start in range(0, len(rows), size):
            yield Rows(X[rows[start : start + size]], len(rows[start : start + size]))

    def loss(batch: Rows) -> Tensor:
        return nn.functional.mse_loss(network(batch.x)[:, 0], batch.x[:, 0], reduction="sum")

    return Examples(len(X), micro_batches, loss)


@pytest.fixture
def network() -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(3, 1)


@pytest.mark.parametrize("size", [1, 4, 10])
def test_a_step_follows_the_mean_gradient_however_the_batch_is_cut(
    network: nn.Linear, size: int
) -> None:
    plain = nn.Linear(3, 1)
    plain.load_state_dict(network.state_dict())
    rows, recipe = np.array([3, 1, 4, 5, 9, 2, 6]), Recipe(7, 1, 0.5, "cosine", warmup_steps=2)
    mine, theirs = recipe.optimizer(network), torch.optim.AdamW(plain.parameters(), weight_decay=0)
    step = GradientStep(network, examples(network, size), mine, recipe.scheduler(mine, 4))
    for rate in (0.25, 0.5):  # the warm-up's
        theirs.param_groups[0]["lr"] = rate
        loss = nn.functional.mse_loss(plain(X[rows])[:, 0], X[rows, 0])
        theirs.zero_grad()
        torch.autograd.backward(loss)
        theirs.step()
        summed = step(rows)
        assert float(summed.losses) / summed.targets == pytest.approx(
            float(loss.detach()), rel=1e-5
        )
        torch.testing.assert_close(network.weight, plain.weight, atol=1e-5, rtol=1e-4)


def test_training_validates_after_each_epoch_and_ends_with_the_best_weights(
    network: nn.Linear,
) -> None:
    """The second of three validations is the best; patience then ends the run."""
    seen: list[Tensor] = []

    def validate() -> dict[str, float]:
        assert network.training, "validation finds the network as it was trained"
        seen.append(network.weight.detach().clone())
        return {"quality": [0.1, 0.3, 0.2][len(seen) - 1], "other": float(len(seen))}

    runtime = Runtime()
    train(
        network,
        examples(network, 4),
        Recipe(batch_size=4, epochs=9, learning_rate=0.1, patience=1),
        validate,
        rng=np.random.default_rng(0),
        runtime=runtime,
    )
    assert len(seen) == len(runtime.rows) == 3
    assert torch.equal(network.weight, seen[1])
    assert not torch.equal(seen[1], seen[2])
    assert not network.training
    assert [row["quality"] for row in runtime.rows] == [0.1, 0.3, 0.2]
    assert runtime.rows[2]["loss"] < runtime.rows[0]["loss"]

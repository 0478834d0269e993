"""Full batches over rows, and Adam on them against the plain loop."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tokbench.api import Runtime
from tokbench.nn.training.full_batches import FullBatches, minimise


def test_batches_are_full_and_epochs_are_as_many_as_the_steps_need() -> None:
    plan = FullBatches.of(11, 4, epochs=3, minimum_steps=9)
    assert plan == FullBatches(size=4, steps=2, epochs=5)
    assert [rows.tolist() for rows in plan.split(torch.arange(11))] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert FullBatches.of(11, 4, epochs=7, minimum_steps=9).epochs == 7
    assert FullBatches.of(3, 4, epochs=1, minimum_steps=0) == FullBatches(3, 1, 1)


def test_minimise_equals_a_plain_loop() -> None:
    x = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    found = []
    for plain in (False, True):
        torch.manual_seed(1)
        net = nn.Linear(3, 3)
        generator, runtime = torch.Generator().manual_seed(2), Runtime()

        def loss(batch: Tensor, net: nn.Linear = net) -> Tensor:
            return torch.nn.functional.mse_loss(net(batch), batch)

        if plain:
            adam = torch.optim.Adam(net.parameters(), lr=0.1)
            for _ in range(3):
                order = torch.randperm(10, generator=generator)
                for rows in (order[:4], order[4:8]):
                    adam.zero_grad()
                    loss(x[rows]).backward()  # type: ignore[no-untyped-call]
                    adam.step()
        else:
            plan = FullBatches.of(10, 4, epochs=3, minimum_steps=0)
            minimise(
                loss, x, net.parameters(), plan,
                learning_rate=0.1, runtime=runtime, generator=generator, name="gap",
            )  # fmt: skip
            assert [(row["epoch"], row["steps"]) for row in runtime.rows] == [
                (1, 2),
                (2, 4),
                (3, 6),
            ]
            assert runtime.rows[2]["gap"] < runtime.rows[0]["gap"]
        found.append(net.weight.detach().clone())
    assert torch.equal(*found)

"""The learning rate of each step, and what a Config's options make of a recipe."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tokbench.generators.sasrec import SasRec
from tokbench.generators.tiger import Tiger
from tokbench.nn.training.recipe import Recipe


def rates(schedule: str) -> list[float]:
    """Of 16 steps, as the optimizer has them."""
    recipe = Recipe(1, 1, 2.0, schedule, warmup_steps=4)  # type: ignore[arg-type]
    optimizer = recipe.optimizer(nn.Linear(1, 1))
    scheduler = recipe.scheduler(optimizer, 16)
    found = []
    for _ in range(16):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_schedules_warm_up_and_then_do_what_they_say() -> None:
    for schedule in ("constant", "inverse-sqrt", "cosine"):
        assert rates(schedule)[:4] == [0.5, 1.0, 1.5, 2.0]
    assert rates("constant")[15] == 2.0
    assert rates("inverse-sqrt")[15] == pytest.approx(1.0), "twice the root, half the rate"
    assert rates("cosine")[9] == pytest.approx(1.0), "half way"
    assert rates("cosine")[15] == pytest.approx(0.0, abs=1e-12)


def test_options_named_as_fields_steer_and_the_others_have_defaults() -> None:
    tiger = Recipe.of(Tiger.Config(batch_size=7, schedule="cosine", validation_users=3))
    assert (tiger.batch_size, tiger.schedule, tiger.validation_users) == (7, "cosine", 3)
    sasrec = Recipe.of(SasRec.Config(weight_decay=0.5))
    assert (sasrec.schedule, sasrec.validation_users, sasrec.validation_width) == (
        "constant",
        0,
        10,
    )
    optimizer = sasrec.optimizer(nn.Linear(1, 1))
    assert isinstance(optimizer, torch.optim.AdamW)
    assert optimizer.param_groups[0]["weight_decay"] == 0.5

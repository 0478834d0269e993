"""Quantizers on a pretend GPU: the CPU's losses and codes, few waits, few launches."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from tests.pretend.device import STATE, State, counting
from tokbench.api import Runtime
from tokbench.tokenizers.cost import Cost
from tokbench.tokenizers.rqvae import RqVae
from tokbench.types import Catalog, Codes

SMALL: dict[str, Any] = {
    "epochs": 4, "minimum_steps": 0, "codebook_size": 8, "hidden": (16,), "latent_dim": 4,
    "batch_size": 64, "minimum_distinct": 0.0,
}  # fmt: skip
STEPS = 4  # of an epoch: 300 items


def coded(tokenizer: type[RqVae], device: str, **options: Any) -> tuple[Codes, list[float], State]:
    """Codes, losses by epoch, and what the device counted."""
    x = np.random.default_rng(0).standard_normal((300, 24)).astype(np.float32)
    x[5] = x[6]
    names = tuple(map(str, range(300)))
    runtime = Runtime(device=device)
    with counting() as seen:
        made = tokenizer.of(**{**SMALL, **options})
        ids = made.tokenize(Catalog(names, names, x), seed=0, runtime=runtime)
        counted = deepcopy(seen)
    return ids.codes, [row["loss"] for row in runtime.rows], counted


@pytest.mark.parametrize(
    ("tokenizer", "options"),
    [(RqVae, {}), (Cost, {}), (Cost, {"mask_duplicates": True}), (Cost, {"warmup_epochs": 1})],
)
def test_losses_and_codes_are_those_of_the_cpu(
    tokenizer: type[RqVae], options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a card that is not the current one."""
    monkeypatch.setattr(STATE, "current", 1)
    codes, losses, _ = coded(tokenizer, "pretend:0", **options)
    expected, their_losses, _ = coded(tokenizer, "cpu", **options)
    assert losses == pytest.approx(their_losses, rel=1e-3)
    assert np.array_equal(codes, expected)


@pytest.mark.parametrize("options", [{}, {"mask_duplicates": True}])
def test_a_step_is_a_graph_and_an_epoch_waits_for_its_summary_only(options: dict[str, Any]) -> None:
    short, long = (coded(Cost, "pretend", **options, epochs=n)[2] for n in (4, 6))
    assert long.captures == 1
    assert long.replays - short.replays == 2 * STEPS
    assert long.from_host - short.from_host <= 2 * (STEPS * 5 + MOST_A_SUMMARY)
    waits = long.waits - short.waits
    assert sum(waits.values()) <= 2 * WAITS_A_SUMMARY, waits


MOST_A_SUMMARY = 60  # launches at the end of an epoch, whatever its length: the use of the codes
WAITS_A_SUMMARY = 16

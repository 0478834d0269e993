"""A GPU computes what a CPU does: to bf16 in training, to TF32 in search; recorded or not."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.nn.transformer.test_collator import TOKENS, backward, windowed
from tokbench.api import Runtime
from tokbench.nn.cuda_graphs.backward import GraphedBackward
from tokbench.nn.devices import tensor_cores
from tokbench.nn.training.gradient import Examples, GradientStep, train
from tokbench.nn.training.recipe import Recipe
from tokbench.nn.transformer.beam import PrefixTree, search
from tokbench.nn.transformer.collator import Collator, Grid
from tokbench.nn.transformer.layers import Size
from tokbench.nn.transformer.loss import summed_loss
from tokbench.nn.transformer.t5 import Transformer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
SIZE = Size(20, 32, 64, 2, 16, 2, 2, dropout=0.0, cross_bias=True)


def model_on(device: str, **changes: float) -> Transformer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Transformer(replace(SIZE, **changes)).to(device)  # type: ignore[arg-type]


def gradients(model: Transformer, causal: bool, device: str, **options: Grid | None) -> Tensor:
    """Of the windows' loss divided by the tokens, all in one vector."""
    items, windows = windowed(causal)
    collator = Collator(items, TOKENS, causal=causal, device=device, **options)  # type: ignore[arg-type]
    model.zero_grad(set_to_none=True)
    _, count = backward(
        model, collator.micro_batches(windows, np.arange(len(windows))), smoothing=0.1
    )
    parts = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    assert len(parts) == len(list(model.parameters())), "every weight learns, biases among them"
    return (torch.cat(parts) / count).cpu()


def close(ours: Tensor, theirs: Tensor, share: float) -> bool:
    return float((ours - theirs).norm() / theirs.norm()) < share


@pytest.mark.parametrize("causal", [False, True])
def test_gradients_equal_those_of_the_cpu_to_bf16(causal: bool) -> None:
    """To 5 % of the gradient's norm: bf16 has 8 bits, and a CPU's bf16 is 3.2 to 3.7 % off."""
    expected = gradients(model_on("cpu"), causal, "cpu")
    for grid in (None, Grid(windows=4, items=3)):
        found = gradients(model_on("cuda"), causal, "cuda", grid=grid)
        assert close(found, expected, 0.05)


@pytest.mark.parametrize("causal", [False, True])
def test_a_recorded_pass_gives_the_gradients_of_the_plain_one(causal: bool) -> None:
    """Recorded once, replayed on other contents of the same shape, and added to what is there."""
    items, windows = windowed(causal)
    collator = Collator(items, TOKENS, causal=causal, device="cuda", grid=Grid(windows=32, items=6))
    model = model_on("cuda").train()
    loss = partial(summed_loss, model, smoothing=0.1)
    examples = Examples(0, lambda rows: [], loss, recordable=True)
    step = GradientStep(model, examples, torch.optim.SGD(model.parameters()))
    graphed = step.backward
    assert isinstance(graphed, GraphedBackward)
    rows = np.arange(len(windows))
    for part in (rows[: len(rows) // 2], rows[len(rows) // 2 :], rows):
        batches = list(collator.micro_batches(windows, part))
        model.zero_grad(set_to_none=False)
        total, count = backward(model, batches, smoothing=0.1)
        plain = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        model.zero_grad(set_to_none=False)
        total_again, count_again = step.accumulate(batches)
        found = [p.grad for p in model.parameters() if p.grad is not None]
        torch.testing.assert_close(total, total_again, rtol=1e-4, atol=1e-4)
        assert count == count_again
        assert close(torch.cat([g.flatten() for g in found]),
                     torch.cat([g.flatten() for g in plain]), 0.01)  # fmt: skip
    assert len(graphed.recorded) == 1, "one shape, one graph"


def test_dropout_draws_anew_in_every_replay() -> None:
    items, windows = windowed(True)
    collator = Collator(items, TOKENS, causal=True, device="cuda", grid=Grid(windows=32, items=6))
    model = model_on("cuda", dropout=0.5).train()
    examples = Examples(0, lambda rows: [], partial(summed_loss, model), recordable=True)
    step = GradientStep(model, examples, torch.optim.SGD(model.parameters()))
    (batch,) = collator.micro_batches(windows, np.arange(len(windows)))
    losses = [float(step.accumulate([batch]).losses) for _ in range(4)]
    assert len(set(losses)) == 4


@pytest.mark.parametrize("causal", [False, True])
def test_training_on_a_gpu_learns_as_on_a_cpu(causal: bool) -> None:
    items, windows = windowed(causal)
    recipe = Recipe(8, 30, 3e-3, "cosine", warmup_steps=5, patience=99)
    last = []
    for device in ("cpu", "cuda"):
        grid = Grid(windows=8, items=3) if device == "cuda" else None
        collator = Collator(items, TOKENS, causal=causal, device=device, grid=grid)
        model, runtime = model_on(device), Runtime(device=device, precision="bfloat16")
        examples = Examples(
            len(windows),
            partial(collator.micro_batches, windows),
            partial(summed_loss, model),
            recordable=True,
        )
        rng = np.random.default_rng(0)
        train(model, examples, recipe, lambda: {"quality": 0.0}, rng=rng, runtime=runtime)
        losses = [row["loss"] for row in runtime.rows]
        assert losses[-1] < 0.7 * losses[0]
        last.append(losses[-1])
    assert last[1] == pytest.approx(last[0], rel=0.1)


def test_search_finds_what_it_finds_on_a_cpu() -> None:
    """Scores to 2e-2 (TF32 has 10 bits), best first, and the same best tuple."""
    tuples = np.unique(TOKENS, axis=0)
    memory = torch.randn(5, 7, 32, generator=torch.Generator().manual_seed(1))
    found = []
    for device in ("cpu", "cuda"):
        model, tree = model_on(device).eval(), PrefixTree.of(tuples, device)
        with tensor_cores(device, "bfloat16"):
            rows, scores = search(model, tree, memory.to(device), len(tuples))
        found.append((rows.cpu(), scores.cpu()))
    (rows, scores), (their_rows, their_scores) = found
    torch.testing.assert_close(scores, their_scores, atol=2e-2, rtol=2e-3)
    by_tuple = scores.gather(1, rows.argsort(1)), their_scores.gather(1, their_rows.argsort(1))
    torch.testing.assert_close(*by_tuple, atol=2e-2, rtol=2e-3)

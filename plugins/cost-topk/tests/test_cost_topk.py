"""The soft contrast against numpy, k = 1 against CoST, the batches, and the conformance kit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import tokbench_cost_topk
from tokbench.api import Runtime
from tokbench.nn.quantizer import contrastive_loss
from tokbench.testing import assert_conforms
from tokbench.testing.worlds import catalog
from tokbench.tokenizers.cost import Cost
from tokbench_cost_topk import CostTopk, nearest, topk_contrastive_loss

SMALL: dict[str, Any] = {
    "codebook_size": 16,
    "latent_dim": 8,
    "hidden": (32, 16),
    "batch_size": 64,
    "epochs": 10,
    "minimum_steps": 0,
    "minimum_distinct": 0.0,
}
SEEN = catalog(interactions=False)  # 256 items, 16 neighbourhoods of 16


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(
    x: Tensor, x_hat: Tensor, k: int, tau: float, target_tau: float, twins: tuple[int, ...] = ()
) -> float:
    """Item by item: sort the batch by cosine, spread the target over the first k. No item of
    `twins` is looked at from another of them."""
    u, v = (a.numpy() / np.linalg.norm(a.numpy(), axis=1, keepdims=True) for a in (x, x_hat))
    losses = []
    for b in range(len(u)):
        others = [j for j in range(len(u)) if j == b or not {j, b} <= set(twins)]
        near = sorted(others, key=lambda j: (j != b, -(u[b] @ u[j])))[:k]
        target = np.array([np.exp(u[b] @ u[j] / target_tau) for j in near])
        scores = np.exp(u[b] @ v.T / tau)
        losses.append(-(target / target.sum()) @ np.log(scores[near] / scores[others].sum()))
    return float(np.mean(losses))


@pytest.mark.parametrize("k", [1, 2, 4, 7, 50])
def test_the_loss_is_a_cross_entropy_with_soft_targets(k: int) -> None:
    x, x_hat = draw(7, 5), 3 * draw(7, 5, seed=1)
    loss = topk_contrastive_loss(x, x_hat, k=k, tau=0.3, target_tau=0.2)
    assert loss.item() == pytest.approx(by_hand(x, x_hat, k, 0.3, 0.2))


@pytest.mark.parametrize("k", [1, 6])
def test_duplicates_are_neither_negatives_nor_neighbours_when_masked(k: int) -> None:
    x, x_hat = draw(6, 5), draw(6, 5, seed=1).requires_grad_()
    x[1:4] = x[0]  # four alike and two others: fewer than six to look at
    loss = topk_contrastive_loss(x, x_hat, k=k, tau=0.3, target_tau=0.2, mask_duplicates=True)
    expected = by_hand(x, x_hat.detach(), k, 0.3, 0.2, twins=(0, 1, 2, 3))
    assert loss.item() == pytest.approx(expected)
    torch.autograd.backward(loss)
    assert x_hat.grad is not None
    assert x_hat.grad.isfinite().all()


def test_gradients_are_finite_differences() -> None:
    x, x_hat = draw(5, 3), draw(5, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda c: topk_contrastive_loss(x, c, k=3, tau=0.5, target_tau=0.5), x_hat
    )


def test_the_loss_is_least_where_reconstructions_keep_the_cosines() -> None:
    """With both temperatures alike, x_hat = x is a stationary point; for CoST it is not."""
    x = draw(8, 5)
    for k, still in [(8, True), (1, False)]:
        x_hat = x.clone().requires_grad_()
        torch.autograd.backward(topk_contrastive_loss(x, x_hat, k=k, tau=0.4, target_tau=0.4))
        assert x_hat.grad is not None
        assert bool(x_hat.grad.abs().max() < 1e-12) == still


@pytest.mark.parametrize("mask", [False, True])
def test_one_neighbour_is_costs_loss_and_gradient(mask: bool) -> None:
    x, x_hat = draw(9, 5).float(), draw(9, 5, seed=1).float()
    x[4] = x[1]
    ours, theirs = x_hat.clone().requires_grad_(), x_hat.clone().requires_grad_()
    one = topk_contrastive_loss(x, ours, k=1, tau=0.1, target_tau=0.7, mask_duplicates=mask)
    two = contrastive_loss(x, theirs, 0.1, mask_duplicates=mask)
    torch.testing.assert_close(one, two)
    torch.autograd.backward(one)
    torch.autograd.backward(two)
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize("mask", [False, True])
def test_one_neighbour_gives_costs_codes_bit_for_bit(mask: bool) -> None:
    twins = replace(SEEN, embeddings=SEEN.embeddings[np.arange(256) % 200])
    rows: list[list[dict[str, float]]] = []
    ids = []
    for tokenizer in (CostTopk.of(**SMALL, neighbours=1), Cost.of(**SMALL)):
        runtime = Runtime()
        options = tokenizer.config.model_copy(update={"mask_duplicates": mask})
        ids.append(type(tokenizer)(options).tokenize(twins, seed=3, runtime=runtime))
        rows.append(runtime.rows)
    assert ids[0].digest() == ids[1].digest()
    assert [row["contrastive"] for row in rows[0]] == pytest.approx(
        [row["contrastive"] for row in rows[1]]
    )
    more = CostTopk.of(**SMALL, neighbours=4, batches="random", mask_duplicates=mask)
    assert more.tokenize(twins, seed=3, runtime=Runtime()).digest() != ids[0].digest()


def test_nearest_others_by_cosine() -> None:
    x = torch.tensor(SEEN.embeddings)
    unit = SEEN.embeddings / np.linalg.norm(SEEN.embeddings, axis=1, keepdims=True)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -2)
    assert np.array_equal(nearest(x, 3), np.argsort(-alike, axis=1)[:, :3])
    assert nearest(x[:3], 9).shape == (3, 2)


def test_training_meets_neighbours_in_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The share of an item's four nearest that are in its batch: a quarter by chance."""

    def share(batches: str) -> float:
        seen = []

        def watch(x: Tensor, x_hat: Tensor, **options: Any) -> Tensor:
            seen.append(x)
            return topk_contrastive_loss(x, x_hat, **options)

        monkeypatch.setattr(tokbench_cost_topk, "topk_contrastive_loss", watch)
        CostTopk.of(**SMALL, batches=batches).tokenize(SEEN, seed=0, runtime=Runtime())
        near = nearest(torch.tensor(SEEN.embeddings), 4)
        table = {row.tobytes(): n for n, row in enumerate(SEEN.embeddings)}
        found = []
        for x in seen:
            rows = {table[row.tobytes()] for row in x.numpy()}
            found += [len(rows & set(near[row])) / 4 for row in rows]
        return float(np.mean(found))

    assert share("random") == pytest.approx(0.25, abs=0.05)
    assert share("neighbours") > 0.4


def test_the_conformance_kit() -> None:
    assert_conforms(CostTopk, epochs=3, minimum_steps=50, hidden=(64, 32), codebook_size=32)

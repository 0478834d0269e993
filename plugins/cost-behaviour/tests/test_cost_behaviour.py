"""The shared target against numpy, share 0 against CoST, partners, and the conformance kit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch import Tensor

from tokbench.api import Runtime
from tokbench.errors import ConfigError
from tokbench.nn.quantizer import contrastive_loss
from tokbench.testing import assert_conforms
from tokbench.testing.worlds import catalog
from tokbench.tokenizers.cost import Cost
from tokbench.types import Sequences
from tokbench_cost_behaviour import CostBehaviour, behaviour_contrastive_loss, most_frequent

SMALL: dict[str, Any] = {
    "codebook_size": 16,
    "latent_dim": 8,
    "hidden": (32, 16),
    "batch_size": 64,
    "epochs": 10,
    "minimum_steps": 0,
    "minimum_distinct": 0.0,
}
SEEN = catalog(interactions=True)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def counted(size: int, seed: int = 0) -> Tensor:
    """Symmetric counts, mostly zero; the last item co-occurs with none."""
    table = np.triu(np.random.default_rng(seed).poisson(0.7, (size, size)), 1).astype(float)
    table[:, -1] = 0
    return torch.from_numpy(table + table.T)


def by_hand(
    x: Tensor, x_hat: Tensor, n: Tensor, share: float, tau: float, twins: tuple[int, ...] = ()
) -> float:
    """Item by item: the own reconstruction and the partners', each with its part."""
    u, v = (a.numpy() / np.linalg.norm(a.numpy(), axis=1, keepdims=True) for a in (x, x_hat))
    losses = []
    for b in range(len(u)):
        allowed = [j for j in range(len(u)) if j == b or not {j, b} <= set(twins)]
        log_sum = np.log(sum(np.exp(u[b] @ v[j] / tau) for j in allowed))
        surprise = {j: log_sum - u[b] @ v[j] / tau for j in allowed}
        often = {j: float(n[b, j]) for j in allowed if j != b and n[b, j]}
        if not often:
            losses.append(surprise[b])
            continue
        partners = sum(often[j] * surprise[j] for j in often) / sum(often.values())
        losses.append((1 - share) * surprise[b] + share * partners)
    return float(np.mean(losses))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_target_is_shared_with_co_occurring_items(share: float) -> None:
    x, x_hat, n = draw(8, 5), 3 * draw(8, 5, seed=1), counted(8)
    loss = behaviour_contrastive_loss(x, x_hat, n, share=share, tau=0.3)
    assert loss.item() == pytest.approx(by_hand(x, x_hat, n, share, 0.3))


def test_duplicates_are_neither_negatives_nor_positives_when_masked() -> None:
    x, x_hat, n = draw(8, 5), draw(8, 5, seed=1).requires_grad_(), counted(8)
    x[1:3] = x[0]
    n[0, 1] = n[1, 0] = 2  # twins that co-occur
    loss = behaviour_contrastive_loss(x, x_hat, n, share=0.4, tau=0.3, mask_duplicates=True)
    expected = by_hand(x, x_hat.detach(), n, 0.4, 0.3, twins=(0, 1, 2))
    assert loss.item() == pytest.approx(expected)
    torch.autograd.backward(loss)
    assert x_hat.grad is not None
    assert x_hat.grad.isfinite().all()


def test_gradients_are_finite_differences() -> None:
    x, x_hat, n = draw(5, 3), draw(5, 3, seed=1).requires_grad_(), counted(5)
    assert torch.autograd.gradcheck(
        lambda c: behaviour_contrastive_loss(x, c, n, share=0.5, tau=0.5), x_hat
    )


def test_no_share_is_costs_loss_and_costs_codes_bit_for_bit() -> None:
    x, x_hat = draw(8, 5), draw(8, 5, seed=1)
    none = behaviour_contrastive_loss(x, x_hat, counted(8), share=0.0, tau=0.1)
    torch.testing.assert_close(none, contrastive_loss(x, x_hat, 0.1))
    plain = Cost.of(**SMALL).tokenize(replace(SEEN, interactions=None), seed=3, runtime=Runtime())
    ids = CostBehaviour.of(**SMALL, behaviour_share=0.0).tokenize(SEEN, seed=3, runtime=Runtime())
    assert ids.digest() == plain.digest()
    half = CostBehaviour.of(**SMALL, batches="random").tokenize(SEEN, seed=3, runtime=Runtime())
    assert half.digest() != plain.digest()


def test_partners_are_the_most_frequent_and_ties_go_by_number() -> None:
    counts = np.zeros((5, 5))
    for one, two, often in [(0, 1, 2), (0, 2, 5), (0, 4, 2), (0, 3, 1), (1, 2, 1)]:
        counts[one, two] = counts[two, one] = often
    found = [partners.tolist() for partners in most_frequent(csr_array(counts), 3)]
    assert found == [[2, 1, 4], [0, 2], [0, 1], [0], [0]]


def test_items_chosen_together_come_to_share_first_codes() -> None:
    """Behaviour that crosses the neighbourhoods of the texts: item n with item n + 1, n even. Half
    of the target is the partner's, so that one reconstruction for both is best."""
    pairs = [[n, n + 1] for n in range(0, 256, 2)]
    seen = replace(SEEN, interactions=Sequences.of(pairs * 3))

    def alike(share: float) -> float:
        options = {**SMALL, "epochs": 60, "behaviour_share": share, "contrastive_weight": 1.0}
        codes = CostBehaviour.of(**options).tokenize(seen, seed=0, runtime=Runtime()).codes
        return float((codes[0::2, 0] == codes[1::2, 0]).mean())

    assert alike(0.5) > alike(0.0) + 0.1


def test_a_catalogue_without_interactions_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="needs training interactions"):
        CostBehaviour.of(**SMALL).tokenize(
            replace(SEEN, interactions=None), seed=0, runtime=Runtime()
        )


def test_the_conformance_kit() -> None:
    assert_conforms(CostBehaviour, epochs=3, minimum_steps=50, hidden=(64, 32), codebook_size=32)

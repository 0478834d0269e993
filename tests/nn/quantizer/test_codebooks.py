"""How codebooks start, how their use is counted, what restarts them, and when to give up."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from torch import Tensor

from tokbench.errors import CollapseError
from tokbench.nn.kmeans import (
    kmeans,
    pooled_residual_kmeans,
    residual_kmeans,
    residuals,
)
from tokbench.nn.quantizer.codebooks import (
    CollapseWatch,
    codebook_use,
    initialise_codebooks,
    restart_unused_codes,
)
from tokbench.nn.quantizer.residual import ResidualQuantizer


def quantizer(shared: bool) -> ResidualQuantizer:
    return ResidualQuantizer(levels=3, codebook_size=8, latent_dim=4, shared=shared)


def latents() -> Tensor:
    return torch.randn(100, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shared", [True, False])
def test_first_batch_start_is_k_means_of_the_latents_in_every_codebook(shared: bool) -> None:
    q = quantizer(shared)
    initialise_codebooks(q, latents(), "first-batch", seed=3)
    for book in q.codebooks.detach().numpy():
        np.testing.assert_array_equal(book, kmeans(latents().numpy(), 8, seed=3))


@pytest.mark.parametrize("shared", [True, False])
def test_residual_start_leaves_less_over_at_every_level(shared: bool) -> None:
    q = quantizer(shared)
    initialise_codebooks(q, latents(), "residuals", seed=3)
    r = residuals(latents().numpy(), q.codebooks.detach().numpy(), 3)
    norms = [float(np.square(level).sum()) for level in r]
    assert norms[0] > norms[1] > norms[2]
    made = pooled_residual_kmeans if shared else residual_kmeans
    np.testing.assert_array_equal(
        q.codebooks.detach().numpy(), made(latents().numpy(), 8, 3, seed=3)
    )
    assert not (q.codebooks == 0).all(dim=-1).any()


def test_use_counts_codes_entropy_and_tuples() -> None:
    codes = torch.tensor([[0, 1], [0, 1], [1, 1], [2, 1], [2, 3]])
    use = codebook_use(codes, 4)
    assert use["used_1"] == 0.75
    assert use["used_2"] == 0.5
    assert use["entropy_1"] == pytest.approx(entropy([2, 1, 2, 0]) / np.log(4))
    assert use["entropy_2"] == pytest.approx(entropy([4, 1]) / np.log(4))
    assert use["distinct"] == 4


def test_unused_codes_move_onto_residuals_of_their_level_and_used_ones_stay() -> None:
    q, z = quantizer(shared=False), latents()
    initialise_codebooks(q, z, "residuals", seed=0)
    q.codebooks.data[1, 5:] = 1000.0  # nothing is near these
    before = q.codebooks.detach().clone()
    r = q(z).r[:, 1].detach().clone()
    codes = q.vectors_to_codes(z)
    dead = sorted(set(range(8)) - set(codes[:, 1].tolist()))
    assert {5, 6, 7} <= set(dead)
    moved = restart_unused_codes(q, z.__getitem__, len(z), codes, torch.Generator().manual_seed(0))
    assert moved == len(dead)
    for code in range(8):
        if code in dead:
            assert (r == q.codebooks[1, code]).all(dim=1).any()
        else:
            assert torch.equal(q.codebooks[1, code], before[1, code])
    assert torch.equal(q.codebooks[0], before[0])


def test_a_shared_code_is_unused_only_if_no_level_names_it() -> None:
    q, z = quantizer(shared=True), latents()
    initialise_codebooks(q, z, "residuals", seed=0)
    before = q.codebooks.detach().clone()
    codes = torch.tensor([[0, 1, 2], [3, 4, 5], [6, 6, 6]])
    assert (
        restart_unused_codes(q, z.__getitem__, len(z), codes, torch.Generator().manual_seed(0)) == 1
    )
    assert torch.equal(q.codebooks[0, :7], before[0, :7])
    assert not torch.equal(q.codebooks[0, 7], before[0, 7])


def test_watch_asks_for_a_share_of_what_inputs_and_codes_allow() -> None:
    x = torch.arange(20.0).repeat_interleave(2)[:, None]  # 40 items, 20 distinct inputs
    settings = {"share": 0.5, "component": "c", "remedy": "r"}
    assert CollapseWatch.over(x, tuples=1000, **settings).bound == 10  # type: ignore[arg-type]
    assert CollapseWatch.over(x, tuples=8, **settings).bound == 4  # type: ignore[arg-type]


def test_watch_is_patient_at_first_strict_at_the_end_and_names_the_remedy() -> None:
    watch = CollapseWatch("cost", items=1000, bound=100, remedy="codebooks=separate")
    watch.check(1, done=0.49)
    watch.check(10, done=0.5)
    watch.check(100, done=1.0)
    with pytest.raises(CollapseError, match=r"9 distinct .* 1000 items .*codebooks=separate"):
        watch.check(9, done=0.5)
    with pytest.raises(CollapseError, match="99 distinct"):
        watch.check(99, done=1.0)

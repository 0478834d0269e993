"""Both terms against numpy and where their gradients go, the side data, and the conformance kit."""

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
from tokbench.nn.quantizer import ResidualQuantizer
from tokbench.testing import assert_conforms
from tokbench.testing.worlds import catalog
from tokbench.tokenizers.rqvae import RqVae
from tokbench_letter import (
    CodeClusters,
    Letter,
    collaborative_embeddings,
    collaborative_loss,
    diversity_loss,
    same_cluster,
)

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


def test_alignment_is_info_nce_over_dot_products() -> None:
    z, h = draw(6, 4), draw(6, 4, seed=1)
    scores = np.exp(z.numpy() @ h.numpy().T / 0.4)
    expected = np.mean([-np.log(scores[b, b] / scores[b].sum()) for b in range(6)])
    assert collaborative_loss(z, h, 0.4).item() == pytest.approx(expected)


def test_items_that_nobody_chose_are_left_out_of_the_alignment() -> None:
    z, h = draw(6, 4), draw(6, 4, seed=1)
    h[2] = 0
    rest = [0, 1, 3, 4, 5]
    rested = collaborative_loss(z[rest], h[rest], 0.4)
    torch.testing.assert_close(collaborative_loss(z, h, 0.4), rested)
    assert collaborative_loss(z, torch.zeros_like(h), 0.4).item() == 0


def together_of(labels: list[list[int]]) -> Tensor:
    table = torch.tensor(labels)
    return (table[:, :, None] == table[:, None, :]) & ~torch.eye(table.shape[1], dtype=torch.bool)


@pytest.mark.parametrize("shared", [True, False])
def test_diversity_code_by_code(shared: bool) -> None:
    """For every item and level: the mean over the positives, the chosen code in no denominator."""
    labels = [[0, 1, 0, 1, 0]] if shared else [[0, 1, 0, 1, 0], [0, 0, 1, 1, 1]]
    books, codes = draw(len(labels), 5, 3), torch.tensor([[0, 4], [1, 2], [3, 3]])
    levels = [0, 0] if shared else [0, 1]
    total = 0.0
    for item in codes.tolist():
        for book, c in zip(levels, item, strict=True):
            vectors = books[book].numpy()
            others = [k for k in range(5) if k != c]
            scores = {k: float(vectors[c] @ vectors[k]) for k in others}
            log_sum = np.log(sum(np.exp(score) for score in scores.values()))
            near = [k for k in others if labels[book][k] == labels[book][c]]
            total -= np.mean([scores[k] - log_sum for k in near])
    e = torch.stack([books[b][codes[:, m]] for m, b in enumerate(levels)], dim=1)
    loss = diversity_loss(e, codes, books, together_of(labels))
    assert loss.item() == pytest.approx(total / 3)


def test_gradients_reach_the_encoder_or_the_codebooks_as_the_paper_has_it() -> None:
    """L_CF moves z through the straight-through latent, L_Div the codebooks alone."""
    quantizer = ResidualQuantizer(levels=2, codebook_size=5, latent_dim=3, shared=False).double()
    quantizer.codebooks.data = draw(2, 5, 3)
    z, h = draw(6, 3, seed=1).requires_grad_(), draw(6, 3, seed=2)
    found = quantizer(z)
    books = quantizer.codebooks
    loss = collaborative_loss(found.z_hat, h, 1.0)
    gradients = torch.autograd.grad(loss, (z, books), allow_unused=True)
    assert [gradient is None for gradient in gradients] == [False, True]
    scores = (found.z_hat.detach() @ h.T).softmax(dim=1)
    torch.testing.assert_close(gradients[0], (scores @ h - h) / 6)
    together = together_of([[0, 1, 0, 1, 0], [0, 0, 1, 1, 1]])
    found = quantizer(z)
    loss = diversity_loss(found.e, found.codes, books, together)
    gradients = torch.autograd.grad(loss, (z, books), allow_unused=True)
    assert [gradient is None for gradient in gradients] == [True, False]
    assert gradients[1].any()


def test_embeddings_factor_the_positive_pmi() -> None:
    """At full width: rows of (PPMI^2)^(1/4), of unit length, but for a rotation."""
    rng = np.random.default_rng(0)
    counts = np.triu(rng.integers(0, 4, (7, 7)), 1)
    counts = counts + counts.T
    counts[6] = counts[:, 6] = 0  # an item that occurs with none
    n = counts.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        ppmi = np.log(counts * n / counts.sum(1)[:, None] / counts.sum(0)[None])
    ppmi = np.where(np.isfinite(ppmi), np.maximum(ppmi, 0), 0)
    root = np.linalg.matrix_power(ppmi, 2)
    values, vectors = np.linalg.eigh(root)
    rows = vectors * np.maximum(values, 0) ** 0.25
    h = collaborative_embeddings(csr_array(counts.astype(float)), 10)
    assert h.shape == (7, 10)
    assert not h[6].any()
    unit = rows[:6] / np.linalg.norm(rows[:6], axis=1, keepdims=True)
    np.testing.assert_allclose(h[:6] @ h[:6].T, unit @ unit.T, atol=1e-4)


def test_clusters_leave_no_code_alone_and_follow_the_codebook() -> None:
    centres = 10 * np.random.default_rng(0).normal(size=(4, 3))
    planted = np.arange(32) % 4
    book = centres[planted] + np.random.default_rng(1).normal(size=(32, 3))
    same = same_cluster(book.astype(np.float32), 4).numpy()
    assert np.array_equal(same | np.eye(32, dtype=bool), planted[:, None] == planted[None, :])
    for codes, clusters in [(2, 1), (3, 1), (5, 2), (64, 10)]:
        far = np.zeros((codes, 2), np.float32)
        far[0] = 100  # by itself, were it allowed
        assert (same_cluster(far, clusters).sum(dim=1) >= 1).all()


def test_clusters_are_made_anew_once_an_epoch() -> None:
    model = Letter.of(**SMALL).untrained(32, torch.Generator().manual_seed(0))
    model.quantizer.codebooks.data = torch.randn(1, 16, 8)
    clusters = CodeClusters(model, 4, every=3)
    first = clusters.now()
    model.quantizer.codebooks.data = torch.randn(1, 16, 8)
    assert torch.equal(clusters.now(), first)
    assert torch.equal(clusters.now(), first)
    assert not torch.equal(clusters.now(), first)


def test_codes_are_rqvaes_without_the_terms_and_others_with_them() -> None:
    seen = replace(SEEN, interactions=None)
    plain = RqVae.of(**SMALL).tokenize(seen, seed=2, runtime=Runtime())
    none = Letter.of(**SMALL, collaborative_weight=0.0, diversity_weight=0.0)
    assert none.tokenize(SEEN, seed=2, runtime=Runtime()).digest() == plain.digest()
    for weight in ("collaborative_weight", "diversity_weight"):
        options = {"collaborative_weight": 0.0, "diversity_weight": 0.0, weight: 5.0}
        ids = Letter.of(**SMALL, **options).tokenize(SEEN, seed=2, runtime=Runtime())
        assert ids.digest() != plain.digest(), weight


def test_alignment_brings_latents_to_their_collaborative_embeddings() -> None:
    def last(weight: float) -> float:
        runtime = Runtime()
        options = {**SMALL, "epochs": 40, "collaborative_weight": weight}
        Letter.of(**options).tokenize(SEEN, seed=0, runtime=runtime)
        return runtime.rows[-1]["collaborative"]

    assert last(0.5) < last(0.0) - 0.3


def test_a_catalogue_without_interactions_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="needs training interactions"):
        Letter.of(**SMALL).tokenize(replace(SEEN, interactions=None), seed=0, runtime=Runtime())


def test_the_conformance_kit() -> None:
    assert_conforms(Letter, epochs=3, minimum_steps=50, hidden=(64, 32), codebook_size=32)


def test_a_warm_up_without_codes_goes_through() -> None:
    runtime = Runtime()
    Letter.of(**SMALL, warmup_epochs=1).tokenize(SEEN, seed=0, runtime=runtime)
    assert all(np.isfinite(row["diversity"]) for row in runtime.rows)

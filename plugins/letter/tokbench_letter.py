"""LETTER: RQ-VAE whose codes also carry who chose what, and spread over the codebook.

Wang et al., Learnable Item Tokenization for Generative Recommendation, CIKM 2024, arXiv 2405.07314.
Two terms are added to RQ-VAE's loss: the quantized latent is aligned with the item's collaborative
embedding (L_CF, weight alpha), and a chosen code vector with the others of its cluster of the
codebook (L_Div, weight beta). The authors' code is github.com/HonghuiBao2000/LETTER.

Axes: N items, B batch, d latent, M levels, K codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tokbench import hookimpl, option
from tokbench.errors import ConfigError
from tokbench.tokenizers.rqvae import DEVIATIONS, RqVae

if TYPE_CHECKING:  # torch and scipy are imported where they are used, so that listing stays fast
    from numpy.typing import NDArray
    from scipy.sparse import csr_array
    from torch import Tensor

    from tokbench.nn.quantizer import Batch, LossTerms, QuantizedAutoencoder, Terms
    from tokbench.types import Catalog


class Letter(RqVae):
    """RQ-VAE with collaborative alignment and diverse codes."""

    name: ClassVar[str] = "letter"
    citation: ClassVar[str] = "Wang et al., LETTER, CIKM 2024, arXiv 2405.07314"
    uses_interactions: ClassVar[bool] = True

    class Config(RqVae.Config):
        """Options of RQ-VAE, and those of the two terms."""

        collaborative_weight: float = option(
            0.02, ge=0, symbol="alpha", description="weight of L_CF; 0.01 in the authors' script"
        )
        diversity_weight: float = option(
            1e-4, ge=0, symbol="beta", description="weight of L_Div, summed over the levels"
        )
        temperature: float = option(
            0.1,
            gt=0,
            paper=1.0,
            description="of the softmax of L_CF; the paper has none, but longer embeddings than "
            "these of unit length",
        )
        clusters: int = option(
            10, ge=1, description="clusters of a codebook, made anew each epoch; at most K / 2"
        )
        window: int = option(
            5, ge=1, description="items of a sequence co-occur when at most so many apart"
        )

    config: Config
    presets = {
        **RqVae.presets,
        "published": {  # the authors' script, but for its 20,000 epochs
            "levels": 4,
            "codebook_size": 256,
            "latent_dim": 32,
            "hidden": (2048, 1024, 512, 256, 128, 64),
            "codebooks": "separate",
            "batch_size": 1024,
            "collaborative_weight": 0.01,
        },
    }
    deviations: ClassVar[Sequence[str]] = (
        *DEVIATIONS,
        "collaborative embeddings are a truncated SVD of the PPMI of training co-occurrences, rows "
        "of unit length, as wide as the latent; the paper trains SASRec, 32 wide",
        "3 levels of 64 codes, a shared codebook and a latent of 96, as RQ-VAE here; the paper has "
        "4 x 256, separate and 32 (letter:published)",
        "squared norms are sums over dimensions; the authors' code has means, which makes alpha "
        "and beta weigh more against them",
        "the positive of L_Div is the mean over a cluster's other codes: the expectation of the "
        "authors' random draw",
        "no Sinkhorn step on the last level: collisions are the collision policy's",
    )

    def losses(self, catalog: Catalog, model: QuantizedAutoencoder) -> LossTerms:
        """RQ-VAE's terms and LETTER's two. Raises ConfigError without training interactions."""
        import torch

        from tokbench.nn.cooccurrence import cooccurrences

        if catalog.interactions is None:
            raise ConfigError(
                "letter needs training interactions, and this catalogue has none (run it through "
                "tokbench, or set Catalog.interactions)"
            )
        c, device = self.config, model.mean.device
        rows = catalog.interactions
        counts = cooccurrences(rows.offsets, rows.items, len(catalog), window=c.window)
        h = torch.from_numpy(collaborative_embeddings(counts, c.latent_dim)).to(device)
        clusters = CodeClusters(model, c.clusters, every=max(1, len(catalog) // c.batch_size))

        def terms(batch: Batch) -> Terms:
            books = model.quantizer.codebooks
            together = clusters.now().to(device)
            return {
                **self.terms(batch),
                "collaborative": (
                    c.collaborative_weight,
                    collaborative_loss(batch.z_hat, h[batch.rows], c.temperature),
                ),
                "diversity": (
                    c.diversity_weight,
                    diversity_loss(batch.e, batch.codes, books, together),
                ),
            }

        return terms


def collaborative_loss(z_hat: Tensor, h: Tensor, tau: float) -> Tensor:
    """L_CF = -log(exp(<z_hat_b, h_b>/tau) / sum_j exp(<z_hat_b, h_j>/tau)): mean over the batch.

    Dot products; z_hat [B, d] straight-through, so that the encoder moves. Items
    without a collaborative embedding (h is zero) are neither anchors nor candidates.
    """
    import torch
    import torch.nn.functional as F

    known = h.any(dim=-1)
    if not known.any():
        return z_hat.new_zeros(())
    z_hat, h = z_hat[known], h[known]
    return F.cross_entropy(z_hat @ h.T / tau, torch.arange(len(h), device=h.device))


def diversity_loss(e: Tensor, codes: Tensor, codebooks: Tensor, together: Tensor) -> Tensor:
    """L_Div = -log(exp(<e_c, e_+>) / sum_{k != c} exp(<e_c, e_k>)): sum over levels, mean over B.

    e [B, M, d] are the chosen vectors of codes [B, M], e_+ the others of c's cluster (the mean of
    the term over them), codebooks [1 or M, K, d] and together [1 or M, K, K]: are two different
    codes in one cluster? Both sides of a product carry gradient, to the codebooks alone.
    """
    import torch

    level = torch.arange(codes.shape[1], device=codes.device) % len(codebooks)
    alike = torch.einsum("bmd,mkd->bmk", e, codebooks[level])  # [B, M, K]
    log_p = alike.scatter(-1, codes.unsqueeze(-1), -torch.inf).log_softmax(dim=-1)
    positive = together[level, codes]  # [B, M, K], never c itself
    each = log_p.masked_fill(~positive, 0.0).sum(dim=-1) / positive.sum(dim=-1)
    return -each.sum(dim=-1).mean()


class CodeClusters:
    """Which codes of a codebook belong together, by constrained k-means, made anew each epoch."""

    def __init__(self, model: QuantizedAutoencoder, clusters: int, *, every: int) -> None:
        self.quantizer, self.every, self.calls = model.quantizer, every, 0
        codes = self.quantizer.codebooks.shape[1]
        self.clusters = max(1, min(clusters, codes // 2))
        self.together: Tensor

    def now(self) -> Tensor:
        """[1 or M, K, K] bool, after every `every` calls of the codebooks as they are then."""
        import torch

        if self.calls % self.every == 0:
            books = self.quantizer.codebooks.detach().cpu().numpy()
            self.together = torch.stack([same_cluster(book, self.clusters) for book in books])
        self.calls += 1
        return self.together


def same_cluster(book: NDArray[np.float32], clusters: int) -> Tensor:
    """[K, K] are two different codes of book [K, d] in one cluster?

    Clusters hold between half and 2.4 times their share of the codes, and two at least, so that no
    code is alone.
    """
    import torch

    from tokbench.nn.kmeans import bounded_kmeans

    share = len(book) / clusters
    lower, upper = max(2, int(share / 2)), max(3, int(np.ceil(2.4 * share)))
    labels = torch.from_numpy(bounded_kmeans(book, clusters, lower=lower, upper=upper, seed=0))
    return (labels[:, None] == labels[None, :]).fill_diagonal_(False)


def collaborative_embeddings(counts: csr_array, width: int) -> NDArray[np.float32]:
    """float32 [N, width] of unit length: U sqrt(S) of the positive pointwise mutual information.

    PPMI_ij = max(0, log(n_ij n / (n_i n_j))). Items that co-occur with none have a zero row, and
    columns beyond the rank are zero.
    """
    from sklearn.utils.extmath import randomized_svd

    table = counts.tocoo()
    degree = counts.sum(axis=1)
    n_ij, i, j = table.data, *table.coords
    table.data = np.maximum(0, np.log(n_ij * degree.sum() / (degree[i] * degree[j])))
    out = np.zeros((counts.shape[0], width), np.float32)
    if not table.data.any():
        return out
    u, s, _ = randomized_svd(table.tocsr(), min(width, counts.shape[0]), random_state=0)
    u = u * np.sqrt(s)
    length = np.linalg.norm(u, axis=1, keepdims=True)
    out[:, : u.shape[1]] = np.divide(u, length, out=np.zeros_like(u), where=length > 1e-6)
    return out


@hookimpl
def register_tokenizers() -> list[type[Letter]]:
    """What this package offers."""
    return [Letter]

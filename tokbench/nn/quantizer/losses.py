"""The paper's training losses, one function per equation.

Axes: B batch, D input, d latent, M levels.
x [B, D] input, x_hat [B, D] its reconstruction, r [B, M, d] what each level has to code
(r[:, i] is r_i, so r[:, 0] is z), e [B, M, d] the code vector each level chose.

Squared norms are sums over dimensions, as printed; every loss is a mean over the batch only. With
a mean over D as well, a unit-norm input would make Eq. 2 D times too small and the commitment
term of Eq. 3 would pull all items onto one code.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tokbench.nn.devices import on_cuda

SHORTEST = 1e-4  # of a reconstruction in Eq. 4; inputs have length one or so


def reconstruction_loss(x: Tensor, x_hat: Tensor) -> Tensor:
    """L_mse = ||x - x_hat||^2 (Eq. 2): sum over D, mean over the batch."""
    return (x - x_hat).square().sum(dim=-1).mean()


def quantization_loss(r: Tensor, e: Tensor, beta: float) -> Tensor:
    """L_rq = sum_i ||sg(r_{i-1}) - e_i||^2 + beta ||r_{i-1} - sg(e_i)||^2 (Eq. 3).

    Sums over levels and d, mean over the batch. The first term moves only the codebooks. The second
    (commitment) moves the encoder, and the codebooks of earlier levels where r carries their
    gradient, which `ResidualQuantizer` decides.
    """
    codebook = (r.detach() - e).square().sum(dim=(-2, -1))
    commitment = (r - e.detach()).square().sum(dim=(-2, -1))
    return (codebook + beta * commitment).mean()


def contrastive_loss(
    x: Tensor, x_hat: Tensor, tau: float, *, mask_duplicates: bool = False
) -> Tensor:
    """L_cl = -log(exp(<x_b, x_hat_b>/tau) / sum_j exp(<x_b, x_hat_j>/tau)) (Eq. 4).

    <.,.> is the cosine, j runs over the batch, the item's own reconstruction included; mean over
    the batch. One direction: inputs are anchors, reconstructions candidates. A reconstruction
    shorter than SHORTEST is divided by that instead: the cosine of a zero vector is 0 here, and its
    gradient stays finite. With
    `mask_duplicates` the reconstructions of other items whose input equals x_b exactly are no
    negatives of b: nothing in the text can tell them apart.
    """
    logits = F.normalize(x, dim=-1) @ F.normalize(x_hat, dim=-1, eps=SHORTEST).T / tau  # [B, B]
    if mask_duplicates:
        logits = logits.masked_fill(equal_rows(x).fill_diagonal_(False), -torch.inf)
    return F.cross_entropy(logits, torch.arange(len(x), device=x.device))


def equal_rows(x: Tensor) -> Tensor:
    """[B, B] bool: do rows i and j of x hold the same numbers?

    On a GPU by counting the numbers that differ: sorting rows would make the host wait, which a
    recorded step may not.
    """
    if on_cuda(x.device):
        x = x.detach()
        return torch.cdist(x, x, p=0) == 0
    _, group = torch.unique(x, dim=0, return_inverse=True)
    equal: Tensor = group[:, None] == group[None, :]
    return equal

"""CoST's loss is put together as Eq. 5 says, and a further term takes a few lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.tokenizers.test_rqvae import SMALL
from tokbench.api import Runtime, option
from tokbench.nn.quantizer.autoencoder import Batch
from tokbench.nn.quantizer.fit import Terms
from tokbench.nn.quantizer.losses import contrastive_loss, quantization_loss, reconstruction_loss
from tokbench.tokenizers.cost import Cost
from tokbench.tokenizers.rqvae import RqVae
from tokbench.types import Catalog


def batch() -> Batch:
    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))

    x, r = draw(6, 5), draw(6, 3, 4)
    codes = torch.zeros(6, 3, dtype=torch.long)
    return Batch(torch.arange(6), x, r[:, 0], codes, r, draw(6, 3, 4) / 2, r[:, 0], draw(6, 5) + x)


def total(terms: Terms) -> float:
    return sum(weight * float(value) for weight, value in terms.values())


def test_equations_1_and_5_and_their_sum() -> None:
    b = batch()
    mse, rq = reconstruction_loss(b.x, b.x_hat), quantization_loss(b.r, b.e, 0.25)
    cl = contrastive_loss(b.x, b.x_hat, 0.1)
    both = Cost.of(**Cost.presets["with-reconstruction"])
    printed = Cost.of(**Cost.presets["with-reconstruction"], quantization_weight=2.0)
    assert total(RqVae.of().terms(b)) == pytest.approx(float(mse + rq))
    assert total(Cost.of().terms(b)) == pytest.approx(float(0.1 * cl + rq))
    assert total(both.terms(b)) == pytest.approx(float(mse + 0.1 * cl + rq))
    assert total(printed.terms(b)) == pytest.approx(float(mse + 0.1 * cl + 2 * rq))


def test_options_reach_the_equations() -> None:
    b = batch()
    b = b._replace(x=torch.cat([b.x[:3], b.x[:3]]))  # three exact duplicates
    options: dict[str, Any] = {"temperature": 0.7, "contrastive_weight": 2.0}
    terms = Cost.of(**options, mask_duplicates=True, commitment_weight=0.5).terms(b)
    weight, value = terms["contrastive"]
    assert weight == 2.0
    torch.testing.assert_close(value, contrastive_loss(b.x, b.x_hat, 0.7, mask_duplicates=True))
    assert not torch.isclose(value, contrastive_loss(b.x, b.x_hat, 0.7))
    torch.testing.assert_close(terms["quantization"][1], quantization_loss(b.r, b.e, 0.5))


def test_reconstructions_find_their_items_again(
    blobs: tuple[Catalog, NDArray[np.int64]],
) -> None:
    """What Eq. 4 asks for: few reconstructions are nearer to x than its own (by chance 119.5)."""

    def mean_rank(**options: Any) -> float:
        options = {**SMALL, **options, "minimum_distinct": 0.0}
        model = Cost.of(**options).fit(blobs[0], seed=0, runtime=Runtime()).model
        with torch.no_grad():
            x = torch.tensor(blobs[0].embeddings)
            x_hat = model(torch.arange(len(x)), x, quantized=True).x_hat
            cosine = torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(x_hat).T
        return float((cosine > cosine.diag()[:, None]).sum(dim=1).double().mean())

    assert mean_rank() < 30
    assert mean_rank(contrastive_weight=0.0) > 60


def test_a_new_term_is_a_subclass_of_a_few_lines(
    blobs: tuple[Catalog, NDArray[np.int64]],
) -> None:
    class Short(Cost):
        """Also asks for short latents."""

        name = "short"

        class Config(Cost.Config):
            """Options of CoST, and the weight of the new term."""

            length_weight: float = option(0.5, ge=0, description="weight of ||z||^2")

        config: Config

        def terms(self, batch: Batch) -> Terms:
            length = batch.z.square().sum(dim=1).mean()
            return {**super().terms(batch), "length": (self.config.length_weight, length)}

    def last(weight: float) -> float:
        runtime = Runtime()
        Short.of(**SMALL, length_weight=weight).tokenize(blobs[0], seed=0, runtime=runtime)
        return runtime.rows[-1]["length"]

    assert last(0.5) < last(0.0) / 2

"""The training loop against a plain one, its determinism, its curve and its ways to stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from tokbench.api import Runtime
from tokbench.errors import CollapseError, ConfigError
from tokbench.nn.quantizer.autoencoder import Batch, QuantizedAutoencoder
from tokbench.nn.quantizer.codebooks import CollapseWatch
from tokbench.nn.quantizer.fit import (
    QuantizerTraining,
    Terms,
    start_codebooks,
    train_quantizer,
)
from tokbench.nn.quantizer.losses import quantization_loss, reconstruction_loss
from tokbench.nn.quantizer.residual import ResidualQuantizer

SCHEDULE = QuantizerTraining(
    epochs=3,
    minimum_steps=0,
    batch_size=16,
    learning_rate=1e-3,
    warmup_epochs=0,
    initialisation="residuals",
    restart_unused=False,
)
WATCH = CollapseWatch("test", items=40, bound=0.0, remedy="none")


def points(items: int = 40) -> Tensor:
    return torch.randn(items, 6, generator=torch.Generator().manual_seed(7))


def autoencoder(generator: torch.Generator, shared: bool = True) -> QuantizedAutoencoder:
    quantizer = ResidualQuantizer(levels=2, codebook_size=8, latent_dim=4, shared=shared)
    return QuantizedAutoencoder(quantizer, input_dim=6, hidden=(10,), generator=generator)


def terms(batch: Batch) -> Terms:
    return {
        "quantization": (2.0, quantization_loss(batch.r, batch.e, 0.25)),
        "reconstruction": (1.0, reconstruction_loss(batch.x, batch.x_hat)),
    }


def train(seed: int = 0, watch: CollapseWatch = WATCH, **changes: Any) -> tuple[Any, Runtime]:
    generator, runtime = torch.Generator().manual_seed(seed), Runtime()
    model = autoencoder(generator)
    schedule = replace(SCHEDULE, **changes)
    train_quantizer(model, points(), terms, schedule, watch, generator=generator, runtime=runtime)
    return model, runtime


def weights(model: QuantizedAutoencoder) -> Mapping[str, Tensor]:
    return model.state_dict()


def plain_training(steps: list[Tensor], model: QuantizedAutoencoder) -> list[float]:
    """Equations 1 to 3 written out with cdist and the textbook Adam; the loss of every step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, foreach=False, fused=False)
    book, losses = model.quantizer.codebooks, []
    for x in steps:
        z = model.encoder(x)
        r, z_hat, rq = z, torch.zeros_like(z), torch.zeros(())
        for _ in range(2):
            e = book[0][torch.cdist(r, book[0]).argmin(dim=1)]
            rq = rq + ((r.detach() - e) ** 2).sum(1).mean()
            rq = rq + 0.25 * ((r - e.detach()) ** 2).sum(1).mean()
            r, z_hat = r - e.detach(), z_hat + e.detach()
        x_hat = model.decoder(z + (z_hat - z).detach())
        loss = ((x - x_hat) ** 2).sum(1).mean() + 2 * rq
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_equals_a_plain_training_loop() -> None:
    fast, runtime = train(epochs=4)
    generator = torch.Generator().manual_seed(0)
    plain = autoencoder(generator)
    started, _ = train(epochs=1, learning_rate=1e-30)  # the codebooks that training starts from
    plain.quantizer.codebooks.data = started.quantizer.codebooks.data.clone()
    order = torch.randperm(40, generator=generator)
    torch.randint(2**31 - 1, (), generator=generator)  # the seed of k-means is drawn after it
    orders = [order, *(torch.randperm(40, generator=generator) for _ in range(3))]
    steps = [points()[o[at : at + 16]] for o in orders for at in (0, 16)]  # the rest of 8 waits
    losses = plain_training(steps, plain)
    for name, value in weights(plain).items():
        torch.testing.assert_close(weights(fast)[name], value, rtol=1e-3, atol=1e-5)
    expected = np.reshape(losses, (4, 2)).mean(axis=1)
    np.testing.assert_allclose([row["loss"] for row in runtime.rows], expected, rtol=1e-4)


def test_same_seed_same_bits_and_the_global_random_state_stays() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one, _ = train(restart_unused=True)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    two, _ = train(restart_unused=True)
    other, _ = train(seed=1, restart_unused=True)
    for name, value in weights(one).items():
        assert torch.equal(value, weights(two)[name])
    assert not torch.equal(one.quantizer.codebooks, other.quantizer.codebooks)


def test_the_curve_has_losses_steps_and_codebook_use_of_every_epoch() -> None:
    model, runtime = train(epochs=30, learning_rate=1e-2)
    assert [row["epoch"] for row in runtime.rows] == list(range(1, 31))
    assert runtime.rows[-1]["steps"] == 60
    names = {"loss", "quantization", "reconstruction", "used_1", "entropy_2", "distinct"}
    assert names <= set(runtime.rows[0])
    row = runtime.rows[-1]
    assert row["loss"] == pytest.approx(2 * row["quantization"] + row["reconstruction"])
    assert row["loss"] < runtime.rows[0]["loss"] / 2
    codes = model.encode(points())
    assert codes.shape == (40, 2)
    assert int(codes.max()) < 8


def test_a_catalogue_smaller_than_a_batch_is_one_batch() -> None:
    _, runtime = train(batch_size=1000)
    assert [row["steps"] for row in runtime.rows] == [1, 2, 3]


def test_minimum_steps_add_epochs() -> None:
    _, runtime = train(minimum_steps=9)
    assert [row["steps"] for row in runtime.rows] == [2, 4, 6, 8, 10]


def test_batches_are_consecutive_rows_of_the_order_that_is_drawn() -> None:
    seen: list[list[int]] = []

    def watch(batch: Batch) -> Terms:
        seen.append(batch.rows.tolist())
        return terms(batch)

    def backwards(generator: torch.Generator) -> Tensor:
        return torch.arange(40).flip(0)

    generator = torch.Generator().manual_seed(0)
    arguments = (autoencoder(generator), points(), watch, SCHEDULE, WATCH)
    train_quantizer(*arguments, generator=generator, runtime=Runtime(), order=backwards)
    assert seen == 3 * [list(range(39, 23, -1)), list(range(23, 7, -1))]


def test_warm_up_trains_without_codes_and_then_makes_them() -> None:
    model, runtime = train(epochs=1, warmup_epochs=2)
    warm, made = runtime.rows[:2], runtime.rows[2]
    assert [row["quantization"] for row in warm] == [0.0, 0.0]
    assert "distinct" not in warm[0]
    assert made["quantization"] > 0
    assert made["distinct"] > 1
    assert model.quantizer.codebooks.any()


@pytest.mark.parametrize("how", ["first-batch", "first-batch-residuals", "residuals"])
@pytest.mark.parametrize("shared", [True, False])
def test_codebooks_start_from_the_first_batch_or_from_all(how: Any, shared: bool) -> None:
    """As scikit-learn's k-means of what the name says, level by level: no worse an inertia."""
    model = autoencoder(torch.Generator().manual_seed(0), shared)
    rows = torch.arange(5, 37)
    start_codebooks(model, points(), rows, how, torch.Generator().manual_seed(0))
    z = model.latents(points() if how == "residuals" else points()[rows]).numpy()
    books = model.quantizer.codebooks.detach().numpy()

    def inertia(of: np.ndarray, book: np.ndarray) -> float:
        return float(((of[:, None] - book) ** 2).sum(-1).min(1).sum())

    def best(of: np.ndarray) -> float:
        return float(KMeans(8, n_init=5, random_state=0).fit(of).inertia_)

    if how == "first-batch":
        assert all(inertia(z, book) < 1.3 * best(z) for book in books)
        assert all(np.array_equal(book, books[0]) for book in books)
        return
    first = books[0]
    left = z - first[((z[:, None] - first) ** 2).sum(-1).argmin(1)]
    if shared:  # small vectors for what is left over stand beside large ones
        assert np.linalg.norm(first, axis=1).min() < 0.5 * np.linalg.norm(z, axis=1).mean()
        assert inertia(np.concatenate([z, left]), first) < 1.6 * best(np.concatenate([z, left]))
    else:
        assert inertia(z, first) < 1.3 * best(z)
        assert inertia(left, books[1]) < 1.3 * best(left)


def test_standardization_belongs_to_the_model() -> None:
    raw = 5 + 3 * points()
    raw[:, 0] = 2.0  # a constant dimension has no deviation to divide by
    for how, mean, deviation in [("none", None, None), ("center", 0, None), ("zscore", 0, 1)]:
        model = autoencoder(torch.Generator().manual_seed(0))
        model.standardize_by(raw, how)  # type: ignore[arg-type]
        x = model.standardize(raw)
        assert torch.isfinite(x).all()
        if mean is None:
            assert torch.equal(x, raw)
        else:
            torch.testing.assert_close(x.mean(dim=0), torch.zeros(6), atol=1e-5, rtol=0)
        if deviation is not None:
            torch.testing.assert_close(x[:, 1:].std(dim=0, correction=0), torch.ones(5))
    model.quantizer.codebooks.data.normal_(generator=torch.Generator().manual_seed(1))
    expected = model.quantizer.vectors_to_codes(model.encoder(model.standardize(raw)))
    assert torch.equal(model.encode(raw), expected)


def test_a_table_left_as_it_is_is_not_copied() -> None:
    model = autoencoder(torch.Generator().manual_seed(0))
    model.standardize_by(points(), "none")
    x = points()
    assert model.standardize(x).data_ptr() == x.data_ptr()
    model.standardize_by(points(), "center")
    assert model.standardize(x).data_ptr() != x.data_ptr()
    assert torch.equal(x, points())  # and where it is copied, the caller's stays


def test_many_items_are_coded_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = train()
    whole = model.quantizer.vectors_to_codes(model.encoder(points()))
    monkeypatch.setattr("tokbench.nn.quantizer.autoencoder.BLOCK", 16)
    assert torch.equal(model.encode(points()), whole)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_replayed_step_equals_an_eager_one() -> None:
    """To rounding: the codebook's gradient is summed in the order in which threads arrive."""
    x = torch.randn(512, 32, generator=torch.Generator().manual_seed(7)).cuda()
    found = []
    for alike in (False, True):
        generator, runtime = torch.Generator().manual_seed(0), Runtime(device="cuda")
        quantizer = ResidualQuantizer(levels=2, codebook_size=8, latent_dim=4, shared=True)
        model = QuantizedAutoencoder(quantizer, input_dim=32, hidden=(16,), generator=generator)
        schedule = replace(SCHEDULE, batch_size=64, warmup_epochs=1, restart_unused=True)
        train_quantizer(
            model.cuda(), x, terms, schedule, WATCH, generator=generator, runtime=runtime,
            alike=alike,
        )  # fmt: skip
        found.append((weights(model), runtime.rows))
    (one, rows), (two, others) = found
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], rtol=1e-2, atol=1e-3)
    for row, other in zip(rows, others, strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-3)


def test_too_few_distinct_tuples_at_the_end_stop_the_run() -> None:
    with pytest.raises(CollapseError, match="remedy: more light"):
        train(watch=CollapseWatch("test", items=40, bound=40.5, remedy="more light"))


def test_a_loss_that_is_not_finite_stops_the_run() -> None:
    with pytest.raises(ConfigError, match=r"diverged in epoch .*learning_rate below 1e\+30"):
        train(epochs=5, learning_rate=1e30)

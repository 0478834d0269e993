"""The neural tokenizers: what they have in common, shown on RQ-VAE and CoST alike."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from sklearn.metrics import adjusted_rand_score

from tests.tokenizers.conftest import catalog_of
from tokbench.api import Runtime
from tokbench.errors import CollapseError, ConfigError
from tokbench.pipeline import stages
from tokbench.tokenizers.cost import Cost
from tokbench.tokenizers.rqvae import RqVae, remedy
from tokbench.types import Catalog

SMALL: dict[str, Any] = {
    "codebook_size": 16,
    "latent_dim": 8,
    "hidden": (32, 16),
    "batch_size": 64,
    "epochs": 80,
    "minimum_steps": 0,
}
BOTH = pytest.mark.parametrize("cls", [RqVae, Cost])
Blobs = tuple[Catalog, NDArray[np.int64]]


@BOTH
def test_codes_follow_the_planted_neighbourhoods(cls: type[RqVae], blobs: Blobs) -> None:
    catalog, labels = blobs
    ids = cls.of(**SMALL).tokenize(catalog, seed=0, runtime=Runtime())
    assert ids.codes.shape == (240, 3)
    assert ids.level_sizes == (16, 16, 16)
    prefix = ids.codes[:, 0] * 16 + ids.codes[:, 1]
    assert adjusted_rand_score(labels, ids.codes[:, 0]) > 0.5
    purity = [np.bincount(labels[prefix == p]).max() for p in np.unique(prefix)]
    assert sum(purity) / 240 > 0.9  # seeds 0 to 7 give 0.93 to 1.00


@BOTH
def test_the_decoder_it_keeps_reconstructs_the_embeddings(cls: type[RqVae], blobs: Blobs) -> None:
    """In the space of the embeddings, standardised or not: better than their mean."""
    catalog, _ = blobs
    for standardize in ("none", "zscore"):
        runtime = Runtime()
        options = SMALL | {"standardize": standardize, "reconstruction_weight": 1.0}
        ids = cls.of(**options).tokenize(catalog, seed=0, runtime=runtime)
        x_hat = runtime.kept["decode"](ids.codes)
        left = np.square(catalog.embeddings - x_hat).sum()
        assert left < 0.75 * np.square(catalog.embeddings - catalog.embeddings.mean(axis=0)).sum()
        layers = [(16, 32), (32, 16), (16, 8), (8, 16), (16, 32), (32, 16)]
        assert runtime.kept["parameters"] == 16 * 8 + sum(a * b + b for a, b in layers)
        figures = stages.measure_own_decoder(ids, catalog, cls.of(), 0, runtime)
        assert figures["intrinsic/decoder/explained"] > 0.25


@BOTH
def test_same_seed_same_codes(cls: type[RqVae], blobs: Blobs) -> None:
    tokenizer = cls.of(**SMALL | {"epochs": 3, "minimum_distinct": 0.0})
    one = tokenizer.tokenize(blobs[0], seed=5, runtime=Runtime())
    two = tokenizer.tokenize(blobs[0], seed=5, runtime=Runtime())
    other = tokenizer.tokenize(blobs[0], seed=6, runtime=Runtime())
    assert one.digest() == two.digest() != other.digest()


def test_fit_codes_items_it_has_not_seen(blobs: Blobs) -> None:
    catalog, labels = blobs
    seen = np.arange(240) % 4 != 0
    part = catalog_of(catalog.embeddings[seen])
    tokenizer = RqVae.of(**SMALL)
    fitted = tokenizer.fit(part, seed=0, runtime=Runtime())
    codes = fitted.encode(catalog.embeddings)
    assert codes.dtype == np.int32
    own = tokenizer.tokenize(part, seed=0, runtime=Runtime()).codes
    assert np.array_equal(codes[seen], own)
    at_home = [
        np.isin(codes[n, 0], codes[seen & (labels == labels[n]), 0]) for n in np.flatnonzero(~seen)
    ]
    assert np.mean(at_home) > 0.95


@pytest.mark.parametrize("codebooks", ["shared", "separate"])
@pytest.mark.parametrize("standardize", ["none", "center", "zscore"])
def test_every_option_trains(blobs: Blobs, codebooks: str, standardize: str) -> None:
    options = {**SMALL, "codebooks": codebooks, "standardize": standardize, "warmup_epochs": 2}
    runtime = Runtime()
    ids = RqVae.of(**options).tokenize(blobs[0], seed=0, runtime=runtime)
    assert len(ids.groups()[0]) > 40
    assert runtime.rows[-1]["loss"] < runtime.rows[3]["loss"]


def test_standardization_is_that_of_the_catalogue_and_kept_for_unseen_items(blobs: Blobs) -> None:
    raw = blobs[0].embeddings
    options = {**SMALL, "epochs": 1, "minimum_distinct": 0.0, "standardize": "zscore"}
    model = RqVae.of(**options).fit(blobs[0], seed=0, runtime=Runtime()).model
    np.testing.assert_allclose(model.mean.numpy(), raw.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(model.scale.numpy(), raw.std(axis=0), rtol=1e-3)


@BOTH
def test_defaults_are_the_papers_or_are_listed_as_departures(cls: type[RqVae]) -> None:
    paper = {
        "levels": 3,
        "codebook_size": 64,
        "latent_dim": 96,
        "hidden": (512, 256, 128),
        "codebooks": "shared",
        "commitment_weight": 0.25,
        "batch_size": 256,
        "epochs": 100,
        "learning_rate": 1e-4,
        "initialisation": "first-batch",
    }
    if cls is Cost:
        paper |= {"contrastive_weight": 0.1, "temperature": 0.1}
    literal = cls.of(**cls.presets["paper-literal"]).config
    assert {name: getattr(literal, name) for name in paper} == paper
    for name, field in cls.Config.model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        if extra["paper"] is not None:
            assert cls.presets["paper-literal"][name] == extra["paper"] != field.default
        else:
            assert name not in cls.presets["paper-literal"]
    assert len(cls.deviations) >= len(cls.presets["paper-literal"])


def test_collapse_names_what_to_set() -> None:
    literal = RqVae.of(**RqVae.presets["paper-literal"])
    assert remedy(literal.config) == (
        "--set tokenizer.initialisation=residuals --set tokenizer.restart_unused=True "
        "--set tokenizer.codebooks=separate --set tokenizer.learning_rate=1e-3"
    )
    assert "minimum_steps" in remedy(RqVae.of(codebooks="separate").config)


def test_the_papers_literal_settings_collapse_and_say_so() -> None:
    points = np.random.default_rng(0).normal(size=(512, 32))
    points = 3 + points  # text embeddings share a large mean
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    literal = {**RqVae.presets["paper-literal"], "minimum_distinct": 0.5}
    with pytest.raises(CollapseError, match=r"rqvae: .* 512 items .*initialisation=residuals"):
        RqVae.of(**literal).tokenize(catalog_of(points), seed=0, runtime=Runtime())


@BOTH
def test_duplicates_share_their_codes_and_do_not_count_as_collapse(
    cls: type[RqVae], blobs: Blobs
) -> None:
    twice = catalog_of(np.repeat(blobs[0].embeddings[::12], 4, axis=0))
    ids = cls.of(**SMALL).tokenize(twice, seed=0, runtime=Runtime())
    assert np.array_equal(ids.codes[::4], ids.codes[3::4])


@BOTH
@pytest.mark.parametrize("standardize", ["none", "zscore"])
def test_a_catalogue_of_one_text_gets_one_tuple(cls: type[RqVae], standardize: str) -> None:
    options = {**SMALL, "epochs": 3, "standardize": standardize}
    ids = cls.of(**options).tokenize(catalog_of(np.ones((20, 6))), seed=0, runtime=Runtime())
    assert len(ids.groups()[0]) == 1


def test_fewer_items_than_codes_is_an_error_with_a_way_out() -> None:
    with pytest.raises(ConfigError, match=r"codebook_size=64 .* has 5 .*codebook_size to 5"):
        RqVae.of().tokenize(catalog_of(np.eye(5)), seed=0, runtime=Runtime())
    tiny = RqVae.of(**SMALL | {"codebook_size": 5, "minimum_distinct": 0.0})
    ids = tiny.tokenize(catalog_of(np.eye(5)), seed=0, runtime=Runtime())
    assert len(ids) == 5


def test_bounds_and_unknown_options_are_refused() -> None:
    for bad in ({"levels": 0}, {"hidden": (0,)}, {"codebooks": "joint"}, {"tempo": 1}):
        with pytest.raises(ValidationError):
            RqVae.of(**bad)


def test_listing_tokenizers_does_not_import_torch() -> None:
    code = (
        "import sys, tokbench.tokenizers.cost, tokbench.tokenizers.random, "
        "tokbench.tokenizers.hierarchical_kmeans; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'sklearn', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

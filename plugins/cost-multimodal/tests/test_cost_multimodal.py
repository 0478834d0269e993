"""Several modalities against numpy, files that do not fit, new items, keys, and the kit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tokbench.api import Runtime
from tokbench.errors import ConfigError, DatasetError
from tokbench.testing import assert_conforms
from tokbench.testing.worlds import catalog
from tokbench.tokenizers.cost import Cost
from tokbench_cost_multimodal import CostMultimodal, cross_loss

SMALL: dict[str, Any] = {
    "codebook_size": 16,
    "latent_dim": 8,
    "hidden": (32, 16),
    "batch_size": 64,
    "epochs": 5,
    "minimum_steps": 0,
    "minimum_distinct": 0.0,
}
SEEN = catalog(interactions=False)
RNG = np.random.default_rng(0)
IMAGES = (100 + 5 * RNG.normal(size=(256, 12))).astype(np.float32)
SOUNDS = RNG.normal(size=(256, 3))


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    np.save(tmp_path / "image.npy", IMAGES)
    np.save(tmp_path / "sound.npy", SOUNDS)
    return str(tmp_path / "image.npy"), str(tmp_path / "sound.npy")


def test_modalities_stand_side_by_side_with_equal_variance(files: tuple[str, str]) -> None:
    x = CostMultimodal.of(paths=files).combined(SEEN)
    assert x.shape == (256, 32 + 12 + 3)
    parts = np.split(x, [32, 44], axis=1)
    tables: list[Any] = [SEEN.embeddings, IMAGES, SOUNDS]
    for part, raw in zip(parts, tables, strict=True):
        expected = (raw - raw.mean(0)) / raw.std(0) / np.sqrt(raw.shape[1])
        np.testing.assert_allclose(part, expected, atol=1e-4)
        assert np.square(part).sum(axis=1).mean() == pytest.approx(1, abs=1e-4)


def test_without_files_it_is_cost_bit_for_bit_and_with_files_it_is_not(
    files: tuple[str, str],
) -> None:
    plain = Cost.of(**SMALL).tokenize(SEEN, seed=1, runtime=Runtime())
    ours = CostMultimodal.of(**SMALL).tokenize(SEEN, seed=1, runtime=Runtime())
    more = CostMultimodal.of(**SMALL, paths=files).tokenize(SEEN, seed=1, runtime=Runtime())
    turned = CostMultimodal.of(**SMALL, paths=files[::-1])
    assert ours.digest() == plain.digest() != more.digest()
    assert turned.tokenize(SEEN, seed=1, runtime=Runtime()).digest() == more.digest()


def test_rows_follow_the_items_by_their_ids(files: tuple[str, str], tmp_path: Path) -> None:
    shuffled = np.random.default_rng(1).permutation(256)
    np.save(tmp_path / "other.npy", IMAGES[shuffled])
    names = tmp_path / "ids.txt"
    names.write_text("\n".join(SEEN.item_ids[n] for n in shuffled))
    ours = CostMultimodal.of(paths=(str(tmp_path / "other.npy"),), item_ids=str(names))
    assert np.array_equal(ours.combined(SEEN), CostMultimodal.of(paths=files[:1]).combined(SEEN))
    names.write_text("\n".join(SEEN.item_ids[1:]))
    with pytest.raises(DatasetError, match="1 of 256 items have no row, the first: 'item-0'"):
        ours.combined(SEEN)


def test_the_cross_term_is_eq_4_from_each_modality_to_each_other() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 7, generator=generator, dtype=torch.float64)
    weight = torch.randn(7, 7, generator=generator, dtype=torch.float64)
    blocks = [slice(0, 4), slice(4, 5), slice(5, 7)]

    def reconstruct(alone: Tensor) -> Tensor:
        return torch.tanh(alone @ weight)

    each = []
    for m in range(3):
        for n in {0, 1, 2} - {m}:
            alone = np.zeros((6, 7))
            alone[:, blocks[m]] = x.numpy()[:, blocks[m]]
            one, two = x.numpy()[:, blocks[n]], np.tanh(alone @ weight.numpy())[:, blocks[n]]
            cosine = one @ two.T
            cosine /= np.linalg.norm(one, axis=1)[:, None] * np.linalg.norm(two, axis=1)[None]
            scores = np.exp(cosine / 0.3)
            each.append(-np.log(np.diag(scores) / scores.sum(axis=1)).mean())
    assert cross_loss(x, [4, 1, 2], reconstruct, 0.3).item() == pytest.approx(np.mean(each))


def test_the_cross_term_is_learnt_and_lets_text_code_new_items(files: tuple[str, str]) -> None:
    """Text and a matrix that follows from it: from the text alone, its other half is found."""
    np.save(files[0], SEEN.embeddings @ np.random.default_rng(2).normal(size=(32, 8)))
    runtime = Runtime()
    options = {**SMALL, "epochs": 60, "paths": files[:1]}
    crossed = CostMultimodal.of(**options, cross_weight=1.0)
    fitted = crossed.fit(SEEN, seed=0, runtime=runtime)
    assert runtime.rows[-1]["cross"] < runtime.rows[0]["cross"] - 0.5
    own = fitted.quantizer.encode(crossed.combined(SEEN))
    found = (fitted.encode(SEEN.embeddings)[:, 0] == own[:, 0]).mean()
    chance = (np.random.default_rng(0).permutation(own[:, 0]) == own[:, 0]).mean()
    assert found > chance + 0.2
    apart = CostMultimodal.of(**options).fit(SEEN, seed=0, runtime=Runtime())
    with pytest.raises(ConfigError, match="cannot code new items from their text"):
        apart.encode(SEEN.embeddings)


def test_files_are_inputs_so_that_their_content_enters_the_key(files: tuple[str, str]) -> None:
    tokenizer = CostMultimodal.of(paths=files, item_ids="ids.txt")
    assert [path.name for path in tokenizer.inputs()] == ["image.npy", "sound.npy", "ids.txt"]
    assert tokenizer.label == "cost-multimodal+image+sound"
    assert list(CostMultimodal.of().inputs()) == []
    assert CostMultimodal.of().label == "cost-multimodal"
    with pytest.raises(ConfigError, match="names of their own"):
        CostMultimodal.of(paths=("a/image.npy", "b/image.npy")).files()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (IMAGES[:-1], "255 rows for 256 items"),
        (IMAGES[:, 0], "need numbers"),
        (np.full((256, 2), np.nan), "finite"),
        (np.array([["a"]] * 256), "need numbers"),
        (np.array([{}] * 256), "pickle"),
    ],
)
def test_files_that_do_not_fit_are_refused_in_words(
    table: Any, message: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "table.npy", table, allow_pickle=True)
    with pytest.raises(DatasetError, match=message):
        CostMultimodal.of(paths=(str(tmp_path / "table.npy"),)).combined(SEEN)
    with pytest.raises(DatasetError, match="no such file"):
        CostMultimodal.of(paths=(str(tmp_path / "nothing.npy"),)).combined(SEEN)


def test_catalogues_are_left_as_they_were(files: tuple[str, str]) -> None:
    seen = replace(SEEN)
    CostMultimodal.of(**SMALL, paths=files).tokenize(seen, seed=0, runtime=Runtime())
    assert seen.digest() == SEEN.digest()


def test_the_conformance_kit() -> None:
    assert_conforms(CostMultimodal, epochs=3, minimum_steps=50, hidden=(64, 32), codebook_size=32)

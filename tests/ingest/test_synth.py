"""A twin has the shape of Table 1, says that it is synthetic, and takes memory by the block."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tokbench.api import Runtime
from tokbench.datasets.folder import Folder
from tokbench.errors import ConfigError, DatasetError
from tokbench.ingest import synth
from tokbench.ingest.synth import LIKE, default_name, synthesize
from tokbench.types import Dataset

TABLE_1 = {  # users, items, shortest, longest, mean: as printed
    "mind": (29_207, 12_251, 15, 70, 25.06),
    "office-s": (2_868, 14_618, 10, 20, 13.21),
    "office-l": (16_696, 37_347, 5, 50, 8.38),
    "office-5core": (4_905, 2_420, 5, 94, 10.858),
}


def load(folder: Path) -> Dataset:
    return Folder.of(path=str(folder)).load(runtime=Runtime())


def test_every_shape_is_known() -> None:
    assert set(LIKE) == set(TABLE_1)


@pytest.mark.parametrize(("like", "scale"), [("office-s", 1), ("office-5core", 1), ("mind", 0.1)])
def test_a_twin_has_the_shape_of_the_original(tmp_path: Path, like: str, scale: float) -> None:
    users, items, shortest, longest, mean = TABLE_1[like]
    out = tmp_path / default_name(like, scale)
    made = synthesize(like, out, scale=scale)
    assert Folder.of(path=str(out)).problems() == []
    data = load(out)
    lengths = data.interactions.lengths
    assert (len(data.user_ids), len(data.item_ids)) == (round(users * scale), round(items * scale))
    assert (lengths.min(), lengths.max()) == (shortest, longest)
    assert lengths.mean() == pytest.approx(mean, abs=0.02)
    seen = np.bincount(data.interactions.items, minlength=len(data.item_ids))
    assert seen.min() >= 1, "an item that nobody took"
    assert np.sort(seen)[::-1][: len(seen) // 10].sum() > 0.25 * seen.sum(), "no long tail"
    assert seen.max() > 10 * np.median(seen)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    pairs = np.unique(rows * len(data.item_ids) + data.interactions.items)
    assert len(pairs) == len(rows), "a user took an item twice"
    assert len(set(data.titles)) == len(data.titles)
    assert (made.users, made.items, made.interactions) == (len(lengths), len(seen), lengths.sum())
    assert (made.shortest, made.longest, made.median) == (shortest, longest, np.median(lengths))
    assert made.mean == pytest.approx(lengths.mean(), abs=5e-4)


def test_a_twin_says_that_it_is_synthetic(tmp_path: Path) -> None:
    out = tmp_path / "Synthetic-office"
    made = synthesize("office-s", out, scale=0.02)
    data = load(out)
    assert "synthetic" in data.name.lower()
    assert all(title.startswith("Synthetic ") for title in data.titles)
    readme = (out / "README.md").read_text()
    assert "never quality" in readme
    assert str(made.interactions) in readme
    with pytest.raises(ConfigError, match=r"must contain 'synthetic'.*synthetic-mind-x0.5"):
        synthesize("mind", tmp_path / "mind", scale=0.5)
    with pytest.raises(DatasetError, match="exists already"):
        synthesize("office-s", out)


def test_fields_are_those_of_the_original(tmp_path: Path) -> None:
    synthesize("mind", tmp_path / "synthetic-m", scale=0.02)
    first = json.loads((tmp_path / "synthetic-m" / "items.jsonl").read_text().split("\n")[0])
    assert set(first) == {"item_id", "title", "category", "subcategory"}
    synthesize("office-l", tmp_path / "synthetic-o", scale=0.01)
    first = json.loads((tmp_path / "synthetic-o" / "items.jsonl").read_text().split("\n")[0])
    assert set(first) == {"item_id", "title", "type", "brand", "categories"}


def test_the_seed_decides(tmp_path: Path) -> None:
    for name, seed in (("synthetic-a", 0), ("synthetic-b", 0), ("synthetic-c", 1)):
        synthesize("office-s", tmp_path / name, scale=0.05, seed=seed)
    a, b, c = (load(tmp_path / f"synthetic-{name}").digest() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize("scale", [0.0, -1.0, 20_000.0, float("nan"), 0.001])
def test_impossible_scales_are_refused(tmp_path: Path, scale: float) -> None:
    with pytest.raises(ConfigError, match="scale"):
        synthesize("office-5core", tmp_path / "synthetic", scale=scale)
    with pytest.raises(ConfigError, match="allowed: mind"):
        synthesize("movielens", tmp_path / "synthetic")


def test_of_two_equal_items_the_owed_one_stays() -> None:
    user, item = np.array([0, 0, 0, 1]), np.array([5, 5, 6, 5])
    for owed in ([True, False, False, False], [False, True, False, False]):
        again = synth._repeats(user, item, np.array(owed), 10)
        assert again.tolist() == [owed.index(False)]


def test_memory_does_not_grow_with_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peak is that of one block of users, be there two or eight."""
    monkeypatch.setattr(synth, "BLOCK", 1_024)
    peaks = []
    for blocks in (2, 8):
        scale = blocks * synth.BLOCK / TABLE_1["office-l"][0]
        tracemalloc.start()
        made = synthesize("office-l", tmp_path / f"synthetic-{blocks}", scale=scale)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert made.users == blocks * synth.BLOCK
    assert peaks[1] < 1.2 * peaks[0]

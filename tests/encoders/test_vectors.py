"""Embeddings from a file: every format, by id, checked; and a whole run on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.cli.test_cli import run_words, shop
from tokbench.api import Runtime
from tokbench.cli import main
from tokbench.encoders.vectors import Vectors
from tokbench.errors import ConfigError, DatasetError
from tokbench.schema.record import read_records
from tokbench.types import Floats

IDS = [f"i{n}" for n in range(12)]
TABLE = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)


def write_npy(folder: Path, table: Floats, ids: list[str]) -> Path:
    np.save(folder / "own.npy", table)
    (folder / "own.npy.json").write_text(json.dumps({"item_ids": ids}))
    return folder / "own.npy"


def write_npz(folder: Path, table: Floats, ids: list[str]) -> Path:
    np.savez(folder / "own.npz", vectors=table, item_ids=np.array(ids))
    return folder / "own.npz"


def write_safetensors(folder: Path, table: Floats, ids: list[str]) -> Path:
    save_file({"vectors": table}, folder / "own.safetensors")
    (folder / "own.safetensors.json").write_text(json.dumps({"item_ids": ids}))
    return folder / "own.safetensors"


def write_parquet(folder: Path, table: Floats, ids: list[str]) -> Path:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    columns = {"item_id": ids, "vector": [row.tolist() for row in table]}
    pq.write_table(pa.table(columns), folder / "own.parquet")
    return folder / "own.parquet"


WRITERS = [write_npy, write_npz, write_safetensors, write_parquet]


@pytest.mark.parametrize("write", WRITERS)
def test_vectors_are_those_of_the_ids_whatever_the_order(
    tmp_path: Path, write: Callable[..., Path]
) -> None:
    order = np.random.default_rng(1).permutation(12)
    path = write(tmp_path, TABLE[order], [IDS[n] for n in order])
    found = Vectors.of(path=str(path)).encode(IDS[3:9], runtime=Runtime())
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, TABLE[3:9], rtol=1e-6)


def test_half_precision_and_norms(tmp_path: Path) -> None:
    path = write_npy(tmp_path, TABLE.astype(np.float16), IDS)
    found = Vectors.of(path=str(path), normalize=True).encode(IDS, runtime=Runtime())
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)
    expected = TABLE / np.linalg.norm(TABLE, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def encode(path: Path) -> Floats:
    return Vectors.of(path=str(path)).encode(IDS, runtime=Runtime())


def test_what_is_wrong_with_a_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no vector for 2 of 12 items, the first: 'i10'"):
        encode(write_npy(tmp_path, TABLE[:10], IDS[:10]))
    with pytest.raises(DatasetError, match="11 item ids for 12 vectors"):
        encode(write_npy(tmp_path, TABLE, IDS[:11]))
    with pytest.raises(DatasetError, match="'i0' is there twice"):
        encode(write_npy(tmp_path, TABLE, ["i0", *IDS[:11]]))
    for value in (np.nan, np.inf, 0.0):
        spoilt = TABLE.copy()
        spoilt[4] = value
        with pytest.raises(DatasetError, match="'i4' is not finite, or all 0"):
            encode(write_npy(tmp_path, spoilt, IDS))
    with pytest.raises(DatasetError, match="floats"):
        encode(write_npy(tmp_path, np.arange(60).reshape(12, 5), IDS))  # type: ignore[arg-type]
    np.savez(tmp_path / "other.npz", a=TABLE)
    with pytest.raises(DatasetError, match=r"np\.savez"):
        encode(tmp_path / "other.npz")
    (tmp_path / "own.npy").write_bytes(b"\x93NUMPY nothing")
    with pytest.raises(DatasetError, match="cannot be read"):
        encode(tmp_path / "own.npy")
    (tmp_path / "own.npy.json").unlink()
    with pytest.raises(DatasetError, match="item_ids"):
        list(Vectors.of(path=str(tmp_path / "own.npy")).inputs())
    with pytest.raises(ConfigError, match=r"--encoder vectors:FILE"):
        list(Vectors().inputs())
    with pytest.raises(ConfigError, match=r"reads \.npy"):
        list(Vectors.of(path="x.txt").inputs())


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "own.npy.json").write_text(json.dumps({"item_ids": IDS[:1]}))
    with pytest.raises(DatasetError, match="cannot be read"):
        encode(tmp_path / "own.npy")


def test_a_run_uses_them_and_the_record_names_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop(tmp_path / "shop")
    path = write_npz(tmp_path, TABLE, IDS)
    words = run_words(tmp_path, "--no-baselines")
    words[words.index("tfidf")] = f"vectors:{path}"
    assert main(words) == 0
    (record,) = read_records(tmp_path / "results")
    assert record.spec.encoder.name == "vectors"
    assert record.spec.encoder.label.startswith("vectors:own.npz@")
    assert str(tmp_path) not in record.spec.model_dump_json()
    capsys.readouterr()
    words[words.index("run")] = "plan"
    assert main(words) == 0
    assert "i0" in capsys.readouterr().out
    np.savez(path, vectors=TABLE + 1, item_ids=np.array(IDS))
    words[words.index("plan")] = "run"
    assert main(words) == 0
    assert len(read_records(tmp_path / "results")) == 2, "other content, another run"

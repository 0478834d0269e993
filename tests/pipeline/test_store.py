"""The store: atomic, locked, self-healing, and unable to run code."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tokbench.errors import StoreError
from tokbench.pipeline.files import (
    read_arrays,
    read_table,
    read_weights,
    write_arrays,
    write_table,
    write_weights,
)
from tokbench.pipeline.store import Store
from tokbench.types import Catalog


def write_text(text: str) -> Any:
    def build(folder: Path) -> dict[str, Any]:
        (folder / "value.txt").write_text(text)
        return {"said": text}

    return build


def refuse(folder: Path) -> dict[str, Any]:
    raise AssertionError("must not be built again")


def test_a_built_artifact_is_found_again_with_its_facts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.find("embed", "k") is None
    built = store.obtain("embed", "k", write_text("one"))
    found = store.obtain("embed", "k", refuse)
    assert built.built and not found.built
    assert found.facts == {"said": "one"}
    assert (found.folder / "value.txt").read_text() == "one"


@pytest.mark.parametrize("harm", ["change", "remove", "manifest", "facts", "swap"])
def test_a_damaged_artifact_is_detected_and_built_again(tmp_path: Path, harm: str) -> None:
    store = Store(tmp_path)
    folder = store.obtain("embed", "k", write_text("one")).folder
    if harm == "change":
        (folder / "value.txt").write_text("onE")
    elif harm == "remove":
        (folder / "value.txt").unlink()
    elif harm == "facts":
        (folder / "facts.json").write_text('{"said": "two"}')
    elif harm == "swap":  # an honest artifact, but of another key
        shutil.rmtree(folder)
        store.obtain("embed", "other", write_text("other")).folder.rename(folder)
    else:
        (folder / "manifest.json").write_text("{")
    assert store.find("embed", "k") is None
    again = store.obtain("embed", "k", write_text("one"))
    assert again.built
    assert (again.folder / "value.txt").read_text() == "one"


def test_a_builder_that_fails_leaves_no_artifact(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fail(folder: Path) -> dict[str, Any]:
        (folder / "half.txt").write_text("half")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        store.obtain("embed", "k", fail)
    assert store.find("embed", "k") is None
    store.obtain("embed", "k", write_text("whole"))
    assert sorted(p.name for p in store.folder("embed", "k").iterdir()) == [
        "facts.json",
        "manifest.json",
        "value.txt",
    ]


def _count_builds(root: str, log: str) -> None:
    def build(folder: Path) -> dict[str, Any]:
        with Path(log).open("a") as stream:
            stream.write("built\n")
        time.sleep(0.3)
        (folder / "value.txt").write_text("x")
        return {}

    Store(Path(root)).obtain("embed", "k", build)


def test_two_processes_build_one_key_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    log = tmp_path / "log"
    workers = [
        context.Process(target=_count_builds, args=(str(tmp_path / "store"), str(log)))
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert log.read_text() == "built\n"


def _hang_while_building(root: str) -> None:
    def build(folder: Path) -> dict[str, Any]:
        (folder / "value.txt").write_text("half")
        (Path(root) / "started").touch()
        time.sleep(60)
        return {}

    Store(Path(root)).obtain("embed", "k", build)


def test_a_killed_writer_leaves_no_artifact_and_no_lock(tmp_path: Path) -> None:
    worker = multiprocessing.get_context("spawn").Process(
        target=_hang_while_building, args=(str(tmp_path),)
    )
    worker.start()
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(10)
    store = Store(tmp_path)
    assert store.find("embed", "k") is None
    artifact = store.obtain("embed", "k", write_text("whole"))
    assert (artifact.folder / "value.txt").read_text() == "whole"


def test_arrays_and_weights_come_back_bit_for_bit(tmp_path: Path) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "a": np.arange(6, dtype=np.int32).reshape(2, 3),
        "b": np.asarray([0.1, -0.0], dtype=np.float32),
    }
    write_arrays(tmp_path, arrays)
    write_weights(tmp_path, arrays)
    for found in (read_arrays(tmp_path), read_weights(tmp_path)):
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            assert found[name].tobytes() == array.tobytes()


def test_a_table_is_mapped_read_only_and_passes_into_a_catalogue_uncopied(tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    write_table(tmp_path, table)
    found = read_table(tmp_path)
    assert found.tobytes() == table.tobytes()
    assert found.dtype == np.float32
    assert isinstance(found.base, np.memmap)  # its memory is the file's
    assert not found.flags.writeable
    catalog = Catalog(("a",) * 5, ("t",) * 5, found)
    assert np.shares_memory(catalog.embeddings, found)
    assert catalog.digest() == Catalog(("a",) * 5, ("t",) * 5, table).digest()


class _Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, ("exploded",)


def test_loading_never_executes_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bomb = np.empty(1, dtype=object)
    bomb[0] = _Bomb()
    np.savez(tmp_path / "arrays.npz", x=bomb)
    with pytest.raises(ValueError, match="allow_pickle"):
        read_arrays(tmp_path)
    np.save(tmp_path / "table.npy", bomb)
    with pytest.raises(ValueError, match="Python objects"):
        read_table(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(Exception, match=r"(?i)header|deserializing"):
        read_weights(tmp_path)
    assert not (tmp_path / "exploded").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="TOKBENCH_CACHE"):
        Store(tmp_path / "file" / "store").obtain("embed", "k", write_text("x"))


class NoLock:
    """What a network file system may give: a lock that everybody holds."""

    def __init__(self, path: Path) -> None: ...
    def __enter__(self) -> NoLock:
        return self

    def __exit__(self, *error: object) -> None: ...


class NotHere(NoLock):
    """Or none at all."""

    def __enter__(self) -> NoLock:
        raise NotImplementedError


@pytest.mark.parametrize("kind", [NoLock, NotHere])
def test_without_locks_the_first_complete_artifact_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[NoLock]
) -> None:
    """A second writer of one key begins and ends while the first is at it."""
    monkeypatch.setattr("filelock.FileLock", kind)
    store = Store(tmp_path)

    def slow(folder: Path) -> dict[str, Any]:
        fast = Store(tmp_path).obtain("embed", "k", write_text("fast"))
        assert fast.built
        (folder / "value.txt").write_text("slow")
        return {"said": "slow"}

    found = store.obtain("embed", "k", slow)
    assert not found.built
    assert found.facts == {"said": "fast"}
    assert (found.folder / "value.txt").read_text() == "fast"
    assert list((tmp_path / "partial").iterdir()) == []


def test_what_killed_writers_left_is_swept_and_others_work_is_not(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name, age in (("old", 2 * 86400), ("young", 60)):
        folder = tmp_path / "partial" / name
        folder.mkdir(parents=True)
        (folder / "half").write_text("")
        for path in (folder / "half", folder):
            os.utime(path, (time.time() - age,) * 2)
    assert store.sweep() == 1
    assert [path.name for path in (tmp_path / "partial").iterdir()] == ["young"]


def test_the_store_says_what_it_has_and_removes_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for stage, key in (("embed", "a"), ("train", "b")):
        store.obtain(stage, key, write_text("x"))
    assert list(store.artifacts()) == [("embed", "a"), ("train", "b")]
    store.remove("embed", "a")
    store.remove("embed", "a")
    assert list(store.artifacts()) == [("train", "b")]

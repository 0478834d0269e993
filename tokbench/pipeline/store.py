"""Content-addressed artifacts on disk: atomic, locked across processes, verified by digest.

    ROOT/<stage>/<key>/            the artifact's files and manifest.json
    ROOT/locks/<stage>-<key>       one writer per key
    ROOT/partial/<stage>-<key>/    being written; renamed into place when complete

A process killed at any moment leaves either a complete artifact or a partial folder, which the
next writer of that key clears. Nothing stored here is ever executed on loading: arrays are npz and
npy without pickle, weights are safetensors, the rest is json.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import numpy as np
from numpy.typing import NDArray

from tokbench.errors import StoreError

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Artifact:
    """A complete artifact: its folder, what its builder said about it, and whether it was built
    just now."""

    folder: Path
    facts: dict[str, Any]
    built: bool


Build = Callable[[Path], dict[str, Any]]


class Store:
    """Artifacts under `root`, addressed by stage and key."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, stage: str, key: str) -> Path:
        """Where the artifact is, or would be."""
        return self.root / stage / key

    def find(self, stage: str, key: str) -> Artifact | None:
        """The artifact, if it is there and undamaged."""
        folder = self.folder(stage, key)
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            intact = all(
                _sha256(folder / name) == expected for name, expected in manifest["files"].items()
            )
            return Artifact(folder, manifest["facts"], built=False) if intact else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def obtain(self, stage: str, key: str, build: Build) -> Artifact:
        """The artifact of that key, built by `build(folder) -> facts` if it is not there.

        A damaged artifact (its digests do not fit) is removed and built again. Raises StoreError
        when the folder cannot be written.
        """
        found = self.find(stage, key)
        if found is not None:
            return found
        try:
            with self._lock(stage, key):
                found = self.find(stage, key)  # another process may have built it meanwhile
                return found if found is not None else self._build(stage, key, build)
        except OSError as error:
            raise StoreError(
                f"cannot write the artifact store at {self.root}: {error} "
                "(choose another folder with --cache or TOKBENCH_CACHE)"
            ) from error

    def _lock(self, stage: str, key: str) -> filelock.BaseFileLock:
        path = self.root / "locks" / f"{stage}-{key}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return filelock.FileLock(path)

    def _build(self, stage: str, key: str, build: Build) -> Artifact:
        final, partial = self.folder(stage, key), self.root / "partial" / f"{stage}-{key}"
        for leftover in (partial, final):
            shutil.rmtree(leftover, ignore_errors=True)
        partial.mkdir(parents=True)
        facts = build(partial)
        files = {path.name: _sha256(path) for path in sorted(partial.iterdir())}
        text = json.dumps({"stage": stage, "key": key, "files": files, "facts": facts}, indent=1)
        with (partial / MANIFEST).open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        final.parent.mkdir(parents=True, exist_ok=True)
        partial.rename(final)
        return Artifact(final, facts, built=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Store named arrays of numbers as `arrays.npz`."""
    assert not any(array.dtype.hasobject for array in arrays.values()), "numbers only, no objects"
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(folder / "arrays.npz", **named)


def read_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    """The arrays of `write_arrays`; refuses pickled objects."""
    with np.load(folder / "arrays.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def write_table(folder: Path, table: NDArray[Any]) -> None:
    """Store one large array as `table.npy`, uncompressed, so that it can be mapped."""
    np.save(folder / "table.npy", table, allow_pickle=False)


def read_table(folder: Path) -> NDArray[Any]:
    """The array of `write_table`, read-only and mapped: pages come from the file as they are used,
    and the system may drop them again, so a table larger than memory can be worked through."""
    return np.asarray(np.load(folder / "table.npy", mmap_mode="r", allow_pickle=False))


def write_figures(folder: Path, figures: Mapping[str, float]) -> None:
    """Store named numbers as `figures.json`."""
    (folder / "figures.json").write_text(json.dumps(dict(figures), indent=1), encoding="utf-8")


def read_figures(folder: Path) -> dict[str, float]:
    """The numbers of `write_figures`, bit for bit; {} where there are none."""
    path = folder / "figures.json"
    figures: dict[str, float] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return figures


def write_weights(folder: Path, state: Mapping[str, NDArray[Any]]) -> None:
    """Store a model's state as `weights.safetensors`."""
    from safetensors.numpy import save_file

    save_file({k: np.ascontiguousarray(v) for k, v in state.items()}, folder / WEIGHTS)


def read_weights(folder: Path) -> dict[str, NDArray[Any]]:
    """The state of `write_weights`."""
    from safetensors.numpy import load_file

    return dict(load_file(folder / WEIGHTS))


WEIGHTS = "weights.safetensors"

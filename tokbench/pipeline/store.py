"""Content-addressed artifacts on disk: atomic, locked across processes, verified by digest.

    ROOT/<stage>/<key>/            the artifact's files, facts.json and manifest.json
    ROOT/locks/<stage>-<key>       one writer per key
    ROOT/partial/<stage>-<key>-*/  being written; renamed into place when complete

A process killed at any moment leaves either a complete artifact or a partial folder, which is swept
when it is a day old. Every writer has a folder of its own, so where locks do not work two may build
one artifact, and the first that is complete stays. tokbench/pipeline/files.py has what is in an
artifact.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from tokbench.errors import StoreError

LOCKS, PARTIAL = "locks", "partial"
ABANDONED = 24 * 3600.0  # seconds without a change after which a partial folder has no writer
MANIFEST = "manifest.json"
FACTS = "facts.json"


@dataclass(frozen=True)
class Artifact:
    """A complete artifact: its folder, what its builder said about it, and whether it was built
    just now. `facts`: see `Worker` in tokbench/pipeline/executor.py."""

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
        """The artifact, if it is there, undamaged, and the one of that stage and key."""
        folder = self.folder(stage, key)
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            intact = (manifest["stage"], manifest["key"]) == (stage, key) and all(
                sha256(folder / name) == expected for name, expected in manifest["files"].items()
            )
            facts = json.loads((folder / FACTS).read_text(encoding="utf-8")) if intact else {}
            return Artifact(folder, facts, built=False) if intact else None
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

    def artifacts(self) -> Iterator[tuple[str, str]]:
        """(stage, key) of everything that is there, damaged or not, in a fixed order."""
        for folder in sorted(self.root.glob("*/*/")):
            if folder.parent.name not in (LOCKS, PARTIAL):
                yield folder.parent.name, folder.name

    def remove(self, stage: str, key: str) -> None:
        """Remove an artifact; whoever looks for it finds it whole or not at all."""
        aside = self._partial(stage, key)
        with suppress(FileNotFoundError):
            self.folder(stage, key).rename(aside)
        shutil.rmtree(aside, ignore_errors=True)

    def sweep(self, seconds: float = ABANDONED) -> int:
        """Remove what writers that were killed have left so long ago; how much that was."""
        left = []
        with suppress(OSError):
            left = [*(self.root / PARTIAL).iterdir()]
        old = [path for path in left if time.time() - _newest(path) > seconds]
        for path in old:
            shutil.rmtree(path, ignore_errors=True)
        return len(old)

    @contextmanager
    def _lock(self, stage: str, key: str) -> Iterator[None]:
        """One writer per key, where the file system can lock. Where it cannot, two may build the
        same: the first that is complete stays."""
        path = self.root / LOCKS / f"{stage}-{key}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            with suppress(NotImplementedError):
                held.enter_context(filelock.FileLock(path))
            yield

    def _partial(self, stage: str, key: str) -> Path:
        """A folder of this writer's own."""
        partial = self.root / PARTIAL / f"{stage}-{key[:16]}-{uuid.uuid4().hex}"
        partial.mkdir(parents=True)
        return partial

    def _build(self, stage: str, key: str, build: Build) -> Artifact:
        final, partial = self.folder(stage, key), self._partial(stage, key)
        try:
            facts = build(partial)
            (partial / FACTS).write_text(json.dumps(facts, indent=1), encoding="utf-8")
            files = {path.name: sha256(path) for path in sorted(partial.iterdir())}
            text = json.dumps({"stage": stage, "key": key, "files": files}, indent=1)
            with (partial / MANIFEST).open("w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            final.parent.mkdir(parents=True, exist_ok=True)
            try:
                partial.rename(final)
            except OSError:  # something is there: of another writer, who was first, or damaged
                found = self.find(stage, key)
                if found is not None:
                    return found
                self.remove(stage, key)
                partial.rename(final)
            return Artifact(final, facts, built=True)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _newest(path: Path) -> float:
    """When something last changed in a folder."""
    times = [0.0]
    for one in (path, *path.rglob("*")):
        with suppress(OSError):
            times.append(one.lstat().st_mtime)
    return max(times)


def sha256(path: Path) -> str:
    """Of a file's content, 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

"""A store that several machines share at an fsspec address, the local folder being its cache.

    ADDRESS/blobs/<aa>/<sha256>       the content of a file of an artifact
    ADDRESS/<stage>/<key>.json        the artifact's manifest: its files and their blobs
    ADDRESS/records/<run id>.json     the record of a completed run

A manifest is written last and by exclusive create, so a reader sees a whole artifact or none, and
of two writers the first stays; no locks are needed. What is downloaded is checked by digest: an
upload that broke off, or a damaged blob, is not an artifact, and is mended by the next that builds
it. A process that is killed between building and uploading leaves a mark, and the next one uploads.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from tokbench.errors import ConfigError, MissingExtraError, RecordError, StoreError
from tokbench.pipeline.context import RunContext
from tokbench.pipeline.store import MANIFEST, Artifact, Build, Store, sha256
from tokbench.schema.record import Record, read_record, write_record, write_text

UNSENT = "unsent"  # marks of artifacts that are to be uploaded
ATTEMPTS = 4
PAUSE = 0.5  # seconds before the second attempt, doubled for each further one
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}  # protocol -> our extra
T = TypeVar("T")


def open_store(context: RunContext) -> Store:
    """The store of a run: its folder, or a shared one behind that. Raises ConfigError for an
    address of no known kind."""
    return SharedStore(context.store, context.shared) if context.shared else Store(context.store)


class SharedStore(Store):
    """Artifacts under `root`, and at `address`, such as s3://bucket/prefix."""

    def __init__(self, root: Path, address: str) -> None:
        import fsspec

        super().__init__(root)
        self.address, protocol = address, address.partition("://")[0]
        try:
            self._files, self._prefix = fsspec.core.url_to_fs(address)
        except ImportError as error:
            extra = EXTRAS.get(protocol)
            if extra is None:
                raise ConfigError(f"--store {address}: {error}") from error
            raise MissingExtraError(
                f"--store {protocol}://", package=f"{extra}fs", extra=extra
            ) from error
        except ValueError as error:
            raise ConfigError(f"--store {address}: {error} (as in s3://bucket/prefix)") from error

    def find(self, stage: str, key: str) -> Artifact | None:
        """The artifact here, or downloaded from the address."""
        found = super().find(stage, key)
        if found is None:
            return self._download(stage, key)
        return self._upload(stage, key, found) if self._mark(stage, key).exists() else found

    def _build(self, stage: str, key: str, build: Build) -> Artifact:
        mark = self._mark(stage, key)
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        return self._upload(stage, key, super()._build(stage, key, build))

    def share(self, record: Record) -> None:
        """Upload the record of a completed run."""
        if record.status == "done":
            self._put(f"records/{record.run_id}.json", record.model_dump_json(indent=1).encode())

    def fetch_record(self, run_id: str, results: Path) -> Record | None:
        """The record of a run that was completed elsewhere, written under `results`; None where
        there is none, or where it is damaged."""
        content = self._get(f"records/{run_id}.json")
        if content is None:
            return None
        arrived = results / f".{run_id}.partial"
        write_text(arrived, content.decode("utf-8", "replace"))
        try:
            record = read_record(arrived)
        except RecordError:
            return None
        finally:
            arrived.unlink(missing_ok=True)
        write_record(record, results)
        return record

    def _download(self, stage: str, key: str) -> Artifact | None:
        """The artifact of the address in our folder; None where it is not there whole."""
        content = self._get(f"{stage}/{key}.json")
        if content is None:
            return None
        partial = self._partial(stage, key)
        try:
            manifest = json.loads(content)
            for name, digest in manifest["files"].items():
                if Path(name).name != name or not self._fetch(digest, partial / name):
                    return None
            (partial / MANIFEST).write_bytes(content)
            final = self.folder(stage, key)
            final.parent.mkdir(parents=True, exist_ok=True)
            if super().find(stage, key) is None:
                self.remove(stage, key)
                with suppress(OSError):  # another process of ours was first
                    partial.rename(final)
            return super().find(stage, key)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _upload(self, stage: str, key: str, artifact: Artifact) -> Artifact:
        """Make a local artifact everybody's; where another writer was first, take theirs."""
        content = (artifact.folder / MANIFEST).read_bytes()
        files: Mapping[str, str] = json.loads(content)["files"]
        for name, digest in files.items():
            self._send(artifact.folder / name, digest)
        name = f"{stage}/{key}.json"
        if not self._create(name, content) and self._get(name) != content:
            theirs = self._whole(name)
            if theirs is None:  # damaged: ours takes its place
                self._put(name, content)
            else:
                self.remove(stage, key)
                artifact = self._download(stage, key) or artifact
        self._mark(stage, key).unlink(missing_ok=True)
        return artifact

    def _whole(self, name: str) -> bytes | None:
        """A manifest of the address whose blobs are all there; None else."""
        content = self._get(name)
        try:
            digests = json.loads(content or b"")["files"].values()
            there = all(self._files.exists(self._blob(digest)) for digest in digests)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        return content if there else None

    def _mark(self, stage: str, key: str) -> Path:
        return self.root.parent / UNSENT / f"{stage}-{key}"

    def _send(self, path: Path, digest: str) -> None:
        """Upload a blob, unless it is there with the right size."""
        blob, size = self._blob(digest), path.stat().st_size

        def send() -> None:
            with suppress(FileNotFoundError):
                if self._files.info(blob)["size"] == size:
                    return
            self._files.makedirs(blob.rpartition("/")[0], exist_ok=True)
            self._files.put_file(str(path), blob)

        self._tried(send)

    def _fetch(self, digest: str, path: Path) -> bool:
        """Download a blob; False where it is missing or damaged."""
        try:
            self._tried(lambda: self._files.get_file(self._blob(digest), str(path)))
        except FileNotFoundError:
            return False
        return path.is_file() and sha256(path) == digest

    def _blob(self, digest: str) -> str:
        return f"{self._prefix}/blobs/{digest[:2]}/{digest}"

    def _get(self, name: str) -> bytes | None:
        try:
            found: bytes = self._tried(lambda: self._files.cat_file(f"{self._prefix}/{name}"))
            return found
        except FileNotFoundError:
            return None

    def _put(self, name: str, content: bytes) -> None:
        def put() -> None:
            path = f"{self._prefix}/{name}"
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._files.pipe_file(path, content)

        self._tried(put)

    def _create(self, name: str, content: bytes) -> bool:
        """Write a file that is not there; False where it is."""
        path = f"{self._prefix}/{name}"

        def create() -> bool:
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            try:
                self._files.pipe_file(path, content, mode="create")
            except FileExistsError:
                return False
            return True

        return self._tried(create)

    def _tried(self, act: Callable[[], T]) -> T:
        """What `act` gives, tried again where the connection breaks.

        Raises FileNotFoundError as it does, StoreError after ATTEMPTS.
        """
        for attempt in range(ATTEMPTS):
            try:
                return act()
            except (FileNotFoundError, FileExistsError):
                raise
            except Exception as error:  # each file system has errors of its own
                if attempt == ATTEMPTS - 1:
                    raise StoreError(
                        f"the store at {self.address} cannot be used: {type(error).__name__}: "
                        f"{error} (what was built is kept in {self.root}; the same command resumes)"
                    ) from error
                time.sleep(PAUSE * 2**attempt)
        raise AssertionError("unreachable")


def shared(context: RunContext) -> SharedStore | None:
    """The shared store of a run, where it has one."""
    store: Any = open_store(context)
    return store if isinstance(store, SharedStore) else None

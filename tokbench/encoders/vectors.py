"""Embeddings of one's own from a file: what a production encoder wrote, benchmarked as it is.

FILE.npy          an array [N, D], the ids in FILE.npy.json, {"item_ids": ["7", ...]}
FILE.npz          the arrays `vectors` [N, D] and `item_ids` [N]
FILE.safetensors  the tensor `vectors` [N, D], the ids in FILE.safetensors.json
FILE.parquet      the columns `item_id` and `vector` (lists of D numbers); extra `parquet`

Nothing is unpickled. An .npy or .safetensors file is mapped, not read whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tokbench.api import Encoder, Runtime, batches, option
from tokbench.errors import ConfigError, DatasetError, MissingExtraError, listed
from tokbench.ids.json_table import read_pairs
from tokbench.types import Floats

BESIDE = ".json"
BLOCK = 2**16  # rows taken at a time
CHUNK = 2**20  # bytes
LONGEST_NAME = 60  # of a file, in a label
NAMES = "vectors", "item_ids"
COLUMNS = "vector", "item_id"
LAYOUT = 'beside FILE.npy or FILE.safetensors stands FILE.npy.json, {"item_ids": ["7", ...]}'
Found = tuple[Any, list[str]]  # an array [N, D] that rows are taken from, and the ids [N]


class Vectors(Encoder):
    """Embeddings read from a file by item id; no text is read."""

    name = "vectors"
    uses_ids: ClassVar[bool] = True  # `encode` gets the item ids where others get texts

    class Config(Encoder.Config):
        """Where the vectors are."""

        path: str = option(
            "", location=True, description="the file: .npy, .npz, .safetensors or .parquet"
        )
        normalize: bool = option(False, description="scale each vector to norm 1")

    @property
    def label(self) -> str:
        """The file's name and the start of its content's digest: boards are by label."""
        sha = hashlib.sha256()
        for file in self.inputs():
            with file.open("rb") as stream:
                while chunk := stream.read(CHUNK):
                    sha.update(chunk)
        name = re.sub(r"[^\w.+-]+", "-", self._path().name)[:LONGEST_NAME]
        return f"{self.name}:{name}@{sha.hexdigest()[:6]}"

    def inputs(self) -> Iterable[Path]:
        """The file, and the one with the ids where its format has two.

        Raises ConfigError without a path or for another kind of file, DatasetError where one is
        missing.
        """
        path = self._path()
        files = [path]
        if _form(path) in (".npy", ".safetensors"):
            files.append(ids_file(path))
        for file in files:
            if not file.is_file():
                raise DatasetError("no such file", path=file, remedy=LAYOUT)
        return files

    def encode(self, texts: Sequence[str], *, runtime: Runtime) -> Floats:
        """The vectors of the items whose ids `texts` are, float32 [N, D].

        Raises DatasetError for items without a vector, for rows that are not finite or all 0, and
        for files that cannot be read.
        """
        path = self._path()
        array, ids = READERS[_form(path)](path)
        _check(array, ids, path)
        index = {item: n for n, item in enumerate(ids)}
        if len(index) < len(ids):
            twice = next(item for n, item in enumerate(ids) if index[item] != n)
            raise DatasetError(f"item id {twice!r} is there twice", path=path)
        missing = [item for item in texts if item not in index]
        if missing:
            raise DatasetError(
                f"no vector for {len(missing)} of {len(texts)} items, the first: "
                f"{listed([repr(item) for item in missing[:3]])}",
                path=path,
                remedy=f"ids are compared as text; this file has ids such as {ids[0]!r}",
            )
        rows = np.array([index[item] for item in texts], np.int64)
        runtime.log(listed=len(ids), unknown=len(ids) - len(rows))
        return self._taken(array, rows, texts, runtime)

    def _taken(
        self, array: Any, rows: NDArray[np.int64], texts: Sequence[str], runtime: Runtime
    ) -> Floats:
        """The rows in their order, checked, as float32."""
        found = np.empty((len(rows), array.shape[1]), np.float32)
        with runtime.progress.track("read vectors", total=len(rows)) as advance:
            for block in batches(len(rows), BLOCK):
                found[block] = np.asarray(array[rows[block]], np.float32)
                norms = np.linalg.norm(found[block], axis=1)
                bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
                if len(bad):
                    item = texts[range(len(rows))[block][bad[0]]]
                    problem = f"the vector of item {item!r} is not finite, or all 0"
                    remedy = "every item needs a finite vector that is not 0"
                    raise DatasetError(problem, path=self._path(), remedy=remedy)
                if self.config.normalize:
                    found[block] /= norms[:, None]
                advance(len(norms))
        return found

    def _path(self) -> Path:
        if not self.config.path:
            raise ConfigError(
                "encoder 'vectors' needs a file: --encoder vectors:FILE, or --set encoder.path=FILE"
            )
        return Path(self.config.path).expanduser()


def ids_file(path: Path) -> Path:
    """The file beside an array, which has the item ids."""
    return path.with_name(path.name + BESIDE)


def _form(path: Path) -> str:
    if path.suffix not in READERS:
        raise ConfigError(f"encoder 'vectors' reads {listed(list(READERS))}, not {path.name!r}")
    return path.suffix


def _check(array: Any, ids: Sequence[str], path: Path) -> None:
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating) or 0 in array.shape:
        problem = f"an array {list(array.shape)} of {array.dtype}"
        raise DatasetError(problem, path=path, remedy="vectors are floats [N items, D]")
    if len(array) != len(ids):
        raise DatasetError(f"{len(ids)} item ids for {len(array)} vectors", path=path)


def _read_npy(path: Path) -> Found:
    return _damage(path, lambda: np.load(path, mmap_mode="r", allow_pickle=False)), _beside(path)


def _read_npz(path: Path) -> Found:
    archive = _damage(path, lambda: np.load(path, allow_pickle=False))
    names = set(getattr(archive, "files", ()))
    if not set(NAMES) <= names:
        raise DatasetError(
            f"has the arrays {listed(sorted(names)) or 'none'}",
            path=path,
            remedy=f"np.savez(FILE, {NAMES[0]}=..., {NAMES[1]}=...)",
        )
    with archive:
        vectors, ids = _damage(path, lambda: tuple(archive[name] for name in NAMES))
    return vectors, [str(item) for item in ids.tolist()]


def _read_safetensors(path: Path) -> Found:
    from safetensors import safe_open

    def load() -> Any:
        with safe_open(path, framework="numpy") as file:
            return file.get_slice(NAMES[0])[:]

    return _damage(path, load), _beside(path)


def _read_parquet(path: Path) -> Found:
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("parquet", package="pyarrow", extra="parquet") from error
    table = _damage(path, lambda: pq.read_table(path, columns=list(COLUMNS)))
    vectors, ids = (table.column(name) for name in COLUMNS)
    flat = vectors.combine_chunks()
    lengths = set(flat.value_lengths().to_pylist())
    if len(lengths) != 1 or None in lengths:
        raise DatasetError("vectors of several lengths", path=path)
    array = flat.flatten().to_numpy(zero_copy_only=False).reshape(len(flat), lengths.pop())
    return array, [str(item) for item in ids.to_pylist()]


def _damage(path: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as error:  # each library raises many kinds on damaged bytes
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DatasetError(f"cannot be read: {reason}", path=path) from error


def _beside(path: Path) -> list[str]:
    """The ids of the file beside an array."""
    beside = ids_file(path)
    items = dict(read_pairs(beside)).get("item_ids")
    if not isinstance(items, list):
        raise DatasetError("no list of item_ids", path=beside)
    return [str(item) for item in items]


READERS: Mapping[str, Callable[[Path], Found]] = MappingProxyType(
    {
        ".npy": _read_npy,
        ".npz": _read_npz,
        ".safetensors": _read_safetensors,
        ".parquet": _read_parquet,
    }
)

"""The frozen values that pass between stages: numpy only, never torch, arrays made read-only.

Axes: N items, U users, T interactions, Q queries, D embedding width, M levels, B beams.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Floats = NDArray[np.float32]


OPTIONAL = "counts only where it is set"  # of a field: None leaves a value's digest as it was


def frozen(array: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
    """`array` as a contiguous, read-only array of `dtype` (a copy only where one is needed).

    The caller's own array is never made read-only: a writeable input is copied. Raises ValueError
    where a number is cut on its way to integers.
    """
    out = np.ascontiguousarray(array, dtype=dtype)
    given = np.asarray(array)
    if out.dtype.kind == "i" and not np.can_cast(given.dtype, out.dtype):
        changed = out != given
        if changed.any():
            raise ValueError(f"{given[changed][0]} of {given.dtype} is no {out.dtype}: round it")
    if out.flags.writeable:
        if out is array or out.base is not None:
            out = out.copy()
        out.flags.writeable = False
    return out


def digest(*parts: object) -> str:
    """sha256 (64 hex digits) over arrays, strings, numbers, tuples, mappings and frozen values, by
    content.

    Arrays count with dtype and shape, so [1, 2] as int32 and as int64 differ.
    """
    sha = hashlib.sha256()
    for part in parts:
        _feed(sha, part)
    return sha.hexdigest()


def _feed(sha: Any, part: object) -> None:
    if isinstance(part, np.ndarray):
        sha.update(f"a{part.dtype.str}{part.shape}".encode())
        sha.update(np.ascontiguousarray(part).data)
    elif isinstance(part, tuple):
        sha.update(f"t{len(part)}".encode())
        for element in part:
            _feed(sha, element)
    elif isinstance(part, Mapping):
        _feed(sha, tuple(sorted(part.items())))
    elif isinstance(part, (str, int, float)) or part is None:
        text = repr(part).encode()
        sha.update(f"s{len(text)}".encode() + text)
    elif is_dataclass(part) and not isinstance(part, type):
        always = [one.name for one in fields(part) if OPTIONAL not in one.metadata]
        added = [one.name for one in fields(part) if OPTIONAL in one.metadata]
        _feed(sha, tuple(getattr(part, name) for name in always))
        for name in added:
            if getattr(part, name) is not None:
                _feed(sha, (name, getattr(part, name)))
    else:
        raise TypeError(f"cannot digest {type(part).__name__}")


@dataclass(frozen=True, eq=False)
class Sequences:
    """Item sequences in CSR form: row q is `items[offsets[q]:offsets[q + 1]]`, oldest first.

    `times` is there only for a generator whose class says `uses_times`, in datasets that have
    times; `asked` only for one that says `uses_query_time`.
    """

    offsets: Ints  # [Q + 1]
    items: Ints  # [T], each in [0, N)
    times: Ints | None = field(default=None, metadata={OPTIONAL: True})  # [T]
    asked: Ints | None = field(default=None, metadata={OPTIONAL: True})  # [Q] of the next item

    def __post_init__(self) -> None:
        object.__setattr__(self, "offsets", frozen(self.offsets, np.int64))
        object.__setattr__(self, "items", frozen(self.items, np.int64))
        assert self.offsets.ndim == 1 and self.offsets[0] == 0, "offsets start at 0"
        assert self.offsets[-1] == len(self.items), (int(self.offsets[-1]), len(self.items))
        for name, length in (("times", len(self.items)), ("asked", len(self.offsets) - 1)):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, frozen(getattr(self, name), np.int64))
                assert len(getattr(self, name)) == length, (name, length)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> Ints:
        return self.items[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> Ints:
        """Number of items in each row, [Q]."""
        return np.diff(self.offsets)

    @classmethod
    def of(cls, rows: list[Any]) -> Sequences:
        """Sequences from a list of lists or arrays."""
        lengths = np.fromiter((len(row) for row in rows), np.int64, len(rows))
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        parts = [np.asarray(row, dtype=np.int64) for row in rows]
        return cls(offsets, np.concatenate(parts) if parts else np.zeros(0, np.int64))

    def digest(self) -> str:
        """Content digest."""
        return digest(self)


@dataclass(frozen=True, eq=False)
class Dataset:
    """What a dataset's `load` returns: texts and time-ordered interactions, nothing split yet."""

    name: str
    item_ids: tuple[str, ...]  # [N] ids as the source has them
    texts: tuple[str, ...]  # [N] what the encoder reads, by the dataset's template
    titles: tuple[str, ...]  # [N] for people to read
    user_ids: tuple[str, ...]  # [U]
    interactions: Sequences  # [U] rows, oldest first
    times: Ints | None = None  # [T] sortable time of each interaction, where the source has one
    categories: tuple[str, ...] | None = None  # [N] most specific category, '' where unknown

    def __post_init__(self) -> None:
        if self.times is not None:
            object.__setattr__(self, "times", frozen(self.times, np.int64))
            assert len(self.times) == len(self.interactions.items)
        n = len(self.item_ids)
        assert len(self.texts) == n and len(self.titles) == n, "one text and one title per item"
        assert len(self.user_ids) == len(self.interactions), "one sequence per user"

    def digest(self) -> str:
        """Content digest of everything that can change a result (not the name)."""
        return digest(
            self.item_ids, self.texts, self.user_ids, self.interactions, self.times, self.categories
        )


@dataclass(frozen=True, eq=False)
class Queries:
    """One prediction task per row: given `histories[q]`, which item is `targets[q]`?"""

    users: Ints  # [Q] row of the user in Dataset.user_ids
    histories: Sequences  # [Q] rows
    targets: Ints  # [Q] item index

    def __post_init__(self) -> None:
        object.__setattr__(self, "users", frozen(self.users, np.int64))
        object.__setattr__(self, "targets", frozen(self.targets, np.int64))
        assert len(self.users) == len(self.targets) == len(self.histories)

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True, eq=False)
class Histories:
    """All that a generator may learn from: training sequences, and validation to select on.

    Test targets are not in here, and a test query's history reaches the generator only through
    `generate`.
    """

    train: Sequences  # [U] rows
    validation: Queries

    def digest(self) -> str:
        """Content digest."""
        return digest(self)


@dataclass(frozen=True, eq=False)
class Catalog:
    """All that a tokenizer may see: texts, embeddings, and training interactions if it asks.

    `interactions` is None unless the tokenizer's class says `uses_interactions = True`.
    """

    item_ids: tuple[str, ...]  # [N]
    texts: tuple[str, ...]  # [N]
    embeddings: Floats  # [N, D]
    categories: tuple[str, ...] | None = None  # [N]
    interactions: Sequences | None = None  # training rows only

    def __post_init__(self) -> None:
        object.__setattr__(self, "embeddings", frozen(self.embeddings, np.float32))
        assert self.embeddings.ndim == 2 and len(self.embeddings) == len(self.item_ids)

    def __len__(self) -> int:
        return len(self.item_ids)

    def digest(self) -> str:
        """Content digest."""
        return digest(self)


@dataclass(frozen=True, eq=False)
class SemanticIds:
    """A code tuple for every item: `codes[n, m]` lies in [0, level_sizes[m])."""

    codes: Codes  # [N, M]
    level_sizes: tuple[int, ...]  # [M] codes available at each level (K, where levels are alike)

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", frozen(self.codes, np.int32))
        object.__setattr__(self, "level_sizes", tuple(int(size) for size in self.level_sizes))
        assert self.codes.ndim == 2 and self.codes.shape[1] == len(self.level_sizes), (
            f"codes {list(self.codes.shape)} need one level size per column, "
            f"found {len(self.level_sizes)}"
        )

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def levels(self) -> int:
        """M, the length of a tuple."""
        return len(self.level_sizes)

    def groups(self) -> tuple[Codes, Ints, Ints]:
        """Items grouped by tuple: (distinct tuples [G, M] in lexicographic order, the group of
        each item [N], the size of each group [G])."""
        tuples, member, sizes = np.unique(
            self.codes, axis=0, return_inverse=True, return_counts=True
        )
        return tuples, member.reshape(-1).astype(np.int64), sizes.astype(np.int64)

    def digest(self) -> str:
        """Content digest."""
        return digest(self)


@dataclass(frozen=True, eq=False)
class Beams:
    """Code tuples a generator proposes for each query, best first.

    A row shorter than B is filled with codes -1 and score -inf at its end. Tuples within a row
    are distinct. Scores are sums of log-probabilities where the generator has them.
    """

    codes: Codes  # [Q, B, M]
    scores: Floats  # [Q, B], non-increasing along B

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", frozen(self.codes, np.int32))
        object.__setattr__(self, "scores", frozen(self.scores, np.float32))
        assert self.codes.ndim == 3 and self.scores.shape == self.codes.shape[:2]

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True, eq=False)
class Placement:
    """Where each query's target landed: three integers from which every metric follows.

    `position`: 0-based index of the beam that names the target's tuple; -1 if no beam does.
    `ahead`: items in the beams before it (each beam counts all items that share its tuple).
    `group`: items that share the target's tuple, the target included.
    """

    position: Ints  # [Q]
    ahead: Ints  # [Q], -1 where missed
    group: Ints  # [Q], at least 1

    def __post_init__(self) -> None:
        for name in ("position", "ahead", "group"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.int64))
        assert self.position.shape == self.ahead.shape == self.group.shape

    def __len__(self) -> int:
        return len(self.position)

"""What comes back from third-party code: text and plain arrays, read without trust.

An answer is two files: `answer.json`, and `arrays.bin` with the bytes of its arrays one after the
other, whose types and shapes the json lists.
"""

from __future__ import annotations

import json
import math
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokbench.errors import PluginError

ANSWER, ARRAYS = "answer.json", "arrays.bin"
MOST_TEXT, MOST_BYTES = 1 << 30, 1 << 36  # 1 GiB of text (a dataset's), 64 GiB of arrays
KINDS = "biuf"  # booleans, integers, floats

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Answer:
    """`told` is what json can say, `arrays` the rest."""

    told: Any
    arrays: Arrays = field(default_factory=dict)


def write_answer(folder: Path, answer: Answer) -> None:
    """Store an answer, complete or not at all. Raises TypeError for arrays of anything else than
    numbers."""
    listed = []
    with (folder / ARRAYS).open("wb") as stream:
        for name, given in answer.arrays.items():
            array = np.asarray(given)
            if array.dtype.kind not in KINDS:
                raise TypeError(f"{name} is an array of {array.dtype}: numbers only")
            plain = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
            listed.append([name, plain.dtype.str, list(plain.shape)])
            plain.tofile(stream)
    text = json.dumps({"told": answer.told, "arrays": listed}, ensure_ascii=False, default=str)
    partial = folder / f"{ANSWER}.partial"
    partial.write_text(text, encoding="utf-8", errors="replace")
    partial.replace(folder / ANSWER)


def read_answer(folder: Path) -> Answer | None:
    """The answer in a folder, None where there is none. Raises PluginError for one that
    `write_answer` would not have written."""
    if not (folder / ANSWER).exists():
        return None
    try:
        found = json.loads(_bytes(folder / ANSWER, MOST_TEXT))
        listed = [(str(n), _dtype(t), tuple(_length(s) for s in shape)) for n, t, shape in
                  found["arrays"]]  # fmt: skip
        sizes = [dtype.itemsize * math.prod(shape) for _, dtype, shape in listed]
        data = _bytes(folder / ARRAYS, MOST_BYTES)
        if sum(sizes) != len(data):
            raise ValueError(f"{len(data)} bytes of arrays, not {sum(sizes)}")
        arrays, start = {}, 0
        for (name, dtype, shape), size in zip(listed, sizes, strict=True):
            part = np.frombuffer(data, dtype, math.prod(shape), start) if size else np.zeros(0)
            arrays[name] = part.astype(dtype, copy=False).reshape(shape)
            start += size
        return Answer(found["told"], arrays)
    except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise PluginError(f"its answer cannot be read: {error}") from error


def _bytes(path: Path, most: int) -> bytes:
    """The content of a regular file that is no larger than `most`; no link is followed."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as stream:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            raise ValueError(f"{path.name} is no file of up to {most} bytes")
        return stream.read(found.st_size)


def _dtype(name: object) -> np.dtype[Any]:
    dtype = np.dtype(str(name))
    if dtype.kind not in KINDS or dtype.hasobject or dtype.itemsize > 16:
        raise ValueError(f"arrays of {dtype}")
    return dtype


def _length(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value < 1 << 48:
        raise ValueError(f"a length of {value!r}")
    return value

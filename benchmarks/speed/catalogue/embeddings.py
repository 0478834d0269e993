"""Embeddings as a text encoder gives them: topics within topics, unequal in size, unit length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

DIM = 768
ITEMS = 37_347  # of the paper's largest catalogue
TOPICS, SUBTOPICS = 120, 3000
CHUNK = 20_000  # items made at a time


def table(items: int = ITEMS, seed: int = 0) -> Floats:
    """[N, 768]."""
    return np.concatenate(list(chunks(items, seed)))


def write_table(path: Path, items: int, seed: int = 0) -> None:
    """The same table as an npy file, never whole in memory."""
    out = np.lib.format.open_memmap(path, "w+", np.float32, (items, DIM))
    at = 0
    for chunk in chunks(items, seed):
        out[at : at + len(chunk)] = chunk
        at += len(chunk)
    out.flush()


def chunks(items: int, seed: int) -> Iterator[Floats]:
    """The table in parts."""
    rng = np.random.default_rng(seed)
    scale = (np.arange(1, DIM + 1) ** -0.5).astype(np.float32)  # few directions carry most
    topics = rng.standard_normal((TOPICS, DIM), dtype=np.float32) * scale
    subtopics = rng.standard_normal((SUBTOPICS, DIM), dtype=np.float32) * scale * np.float32(0.8)
    subtopics += topics[rng.integers(TOPICS, size=SUBTOPICS)] + scale * np.float32(1.5)
    popular = np.arange(1, SUBTOPICS + 1) ** -0.7
    for start in range(0, items, CHUNK):
        size = min(CHUNK, items - start)
        x = rng.standard_normal((size, DIM), dtype=np.float32) * scale * np.float32(0.9)
        x += subtopics[rng.choice(SUBTOPICS, size, p=popular / popular.sum())]
        yield x / np.linalg.norm(x, axis=1, keepdims=True)

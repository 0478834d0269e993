"""How the values of stages are kept in a folder: a pair of functions for each kind of value.

Nothing stored here is ever executed on loading: arrays are npz and npy without pickle, weights are
safetensors, the rest is json. What is read is what was written, bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokbench.types import Beams, Floats, SemanticIds

Arrays = dict[str, NDArray[Any]]
WEIGHTS = "weights.safetensors"


def write_arrays(folder: Path, arrays: Arrays) -> None:
    """Store named arrays of numbers as `arrays.npz`."""
    assert not any(array.dtype.hasobject for array in arrays.values()), "numbers only, no objects"
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(folder / "arrays.npz", **named)


def read_arrays(folder: Path) -> Arrays:
    """The arrays of `write_arrays`; refuses pickled objects."""
    with np.load(folder / "arrays.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def write_table(folder: Path, table: Floats) -> None:
    """Store one large array as `table.npy`, uncompressed, so that it can be mapped."""
    np.save(folder / "table.npy", table, allow_pickle=False)


def read_table(folder: Path) -> Floats:
    """The array of `write_table`, read-only and mapped: pages come from the file as they are used,
    and the system may drop them again, so a table larger than memory can be worked through."""
    return np.asarray(np.load(folder / "table.npy", mmap_mode="r", allow_pickle=False))


def write_figures(folder: Path, figures: Mapping[str, float]) -> None:
    """Store named numbers as `figures.json`."""
    (folder / "figures.json").write_text(json.dumps(dict(figures), indent=1), encoding="utf-8")


def read_figures(folder: Path) -> dict[str, float]:
    """The numbers of `write_figures`."""
    figures: dict[str, float] = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    return figures


def write_weights(folder: Path, state: Arrays) -> None:
    """Store a model's state as `weights.safetensors`."""
    from safetensors.numpy import save_file

    save_file({k: np.ascontiguousarray(v) for k, v in state.items()}, folder / WEIGHTS)


def read_weights(folder: Path) -> Arrays:
    """The state of `write_weights`."""
    from safetensors.numpy import load_file

    return dict(load_file(folder / WEIGHTS))


def write_ids(folder: Path, ids: SemanticIds) -> None:
    """Store a code table."""
    sizes = np.asarray(ids.level_sizes, dtype=np.int64)
    write_arrays(folder, {"codes": ids.codes, "level_sizes": sizes})


def read_ids(folder: Path) -> SemanticIds:
    """The code table of `write_ids`."""
    arrays = read_arrays(folder)
    return SemanticIds(arrays["codes"], tuple(arrays["level_sizes"].tolist()))


def write_beams(folder: Path, beams: Beams) -> None:
    """Store what a generator proposed."""
    write_arrays(folder, {"codes": beams.codes, "scores": beams.scores})


def read_beams(folder: Path) -> Beams:
    """The beams of `write_beams`."""
    arrays = read_arrays(folder)
    return Beams(arrays["codes"], arrays["scores"])

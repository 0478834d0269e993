"""tokbench: the benchmark suite for semantic tokenizers in generative recommendation.

The names a plugin author or a Python user needs; they are imported when first used, so that the
command line starts fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokbench.api import (
        Config,
        DatasetSource,
        Encoder,
        Generator,
        GeneratorModel,
        Metric,
        Runtime,
        Tokenizer,
        hookimpl,
        option,
    )
    from tokbench.errors import TokbenchError
    from tokbench.pipeline.grid import run
    from tokbench.schema.frame import load_results
    from tokbench.schema.record import Record, read_records
    from tokbench.types import (
        Beams,
        Catalog,
        Dataset,
        Histories,
        Placement,
        Queries,
        SemanticIds,
        Sequences,
    )

__version__ = "0.1.0"

_HOMES = {
    "tokbench.api": (
        "Config", "DatasetSource", "Encoder", "Generator", "GeneratorModel", "Metric", "Runtime",
        "Tokenizer", "hookimpl", "option",
    ),
    "tokbench.errors": ("TokbenchError",),
    "tokbench.pipeline.grid": ("run",),
    "tokbench.schema.frame": ("load_results",),
    "tokbench.schema.record": ("Record", "read_records"),
    "tokbench.types": (
        "Beams", "Catalog", "Dataset", "Histories", "Placement", "Queries", "SemanticIds",
        "Sequences",
    ),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Beams",
    "Catalog",
    "Config",
    "Dataset",
    "DatasetSource",
    "Encoder",
    "Generator",
    "GeneratorModel",
    "Histories",
    "Metric",
    "Placement",
    "Queries",
    "Record",
    "Runtime",
    "SemanticIds",
    "Sequences",
    "TokbenchError",
    "Tokenizer",
    "__version__",
    "hookimpl",
    "load_results",
    "option",
    "read_records",
    "run",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'tokbench' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

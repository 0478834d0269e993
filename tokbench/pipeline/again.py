"""A record's cell once more: from its spec to the same components, and to a fresh outcome."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

from tokbench.api import DatasetSource, Encoder, Generator, Tokenizer
from tokbench.errors import ConfigError
from tokbench.pipeline.cell import Cell
from tokbench.pipeline.context import RunContext
from tokbench.pipeline.grid import run_cells
from tokbench.pipeline.overrides import Overrides
from tokbench.pipeline.resolve import Builder
from tokbench.registry.registry import KINDS, Registry
from tokbench.schema.record import Record
from tokbench.schema.run_spec import ComponentSpec, RunSpec


def run_again(record: Record, registry: Registry, context: RunContext, folder: Path) -> Record:
    """The record that the same spec gives now, computed from nothing in `folder`, with as many
    threads as then; only downloads are taken from the cache of `context`.

    Raises ConfigError where the components of the record are not at hand, and what a run raises.
    """
    cell = cell_of(record.spec, registry)
    downloads = context.cache / "downloads"
    (folder / "cache").mkdir(parents=True)
    if downloads.is_dir():
        (folder / "cache/downloads").symlink_to(downloads.resolve(), target_is_directory=True)
    threads = record.provenance.environment.get("threads", "")
    again = replace(context, results=folder / "results", cache=folder / "cache")
    found = run_cells([cell], again, registry, threads=int(threads) if threads.isdecimal() else 1)
    shutil.rmtree(folder, ignore_errors=True)
    return found[0]


def cell_of(spec: RunSpec, registry: Registry) -> Cell:
    """The cell of a spec. Raises ConfigError for one whose components are other now."""
    dataset, encoder = _built(spec, "dataset", registry), _built(spec, "encoder", registry)
    tokenizer, generator = _built(spec, "tokenizer", registry), _built(spec, "generator", registry)
    assert isinstance(dataset, DatasetSource) and isinstance(encoder, Encoder)
    assert isinstance(tokenizer, Tokenizer) and isinstance(generator, Generator)
    return Cell(spec, dataset, encoder, tokenizer, generator, public=True)


def _built(spec: RunSpec, kind: str, registry: Registry) -> object:
    """The component of that kind, if it is what the spec names."""
    wanted: ComponentSpec = getattr(spec, kind)
    options = [f"{kind}.{name}={json.dumps(value)}" for name, value in wanted.config.items()]
    builder = Builder(registry, spec.profile, Overrides.parse(options))
    built = builder.dataset(wanted.name) if kind == "dataset" else builder.build(
        KINDS[kind], wanted.name
    )  # fmt: skip
    if built.spec != wanted:
        changed = [
            name for name in ComponentSpec.model_fields
            if getattr(built.spec, name) != getattr(wanted, name)
        ]  # fmt: skip
        raise ConfigError(
            f"the {kind} {wanted.label!r} is not at hand as it was: other {', '.join(changed)}"
        )
    return built.component

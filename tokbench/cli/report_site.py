"""`tokbench report site`: gathers what records do not hold, and writes the site."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokbench.cli.report import DATASET, SOURCE
from tokbench.cli.screen import say, skipped

if TYPE_CHECKING:
    from tokbench.registry.registry import Registry
    from tokbench.report.site.options import Described
    from tokbench.schema.record import Record


@click.command(
    "site", short_help="Write the boards as a site: plots, pairs, every run, code trees."
)
@SOURCE
@DATASET
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("site"),
              show_default=True,
              help="The folder to write; it loads nothing from elsewhere.")  # fmt: skip
@click.option("--titles", "titled", multiple=True, metavar="DATASET",
              help="Write the item titles of DATASET, a name or a folder, into the code trees. "
              "Without it no text of a dataset is written; see that its terms allow it before you "
              "publish. Repeatable.")  # fmt: skip
def site_command(
    source: Path, datasets: tuple[str, ...], out: Path, titled: tuple[str, ...]
) -> None:
    """Write the boards of the records under SOURCE as a static site that opens from a folder.

    SOURCE is a folder of records. [default: results]
    """
    from tokbench.cli.progress import progress
    from tokbench.pipeline.context import default_cache
    from tokbench.registry.isolated.isolated import isolated_registry
    from tokbench.report.result_set import ResultSet
    from tokbench.report.site.site import Extras, write_site
    from tokbench.verify.remembered import Remembered
    from tokbench.verify.verify import verify

    results = ResultSet.read(source, datasets, skipped)
    gc.freeze()  # records stay to the end: no search for garbage need look at them
    records = results.records
    registry = isolated_registry()
    titles: dict[str, tuple[str, ...]] = {}
    for name in titled:
        titles |= _titles(name, records, registry)
    bars = progress()
    findings: dict[str, list[str]] = {record.file_name: [] for record in records}
    remembered = Remembered(default_cache() / "verified.json")
    found = verify(source, progress=bars, remembered=remembered)
    remembered.save()
    for finding in found:
        name = finding.file.relative_to(source).as_posix()
        findings.setdefault(name, []).append(finding.reason)
    extras = Extras(findings, _described(registry), titles)
    pages = write_site(results, out, extras, progress=bars)
    say(f"{pages[0]}: {len(records)} runs, {len(pages)} files; open it in a browser")


def _titles(name: str, records: Sequence[Record], registry: Registry) -> dict[str, tuple[str, ...]]:
    """Dataset digest -> titles, for every reading of dataset `name` that a record was made from.

    Options that change what a dataset holds come from the records. Raises RecordError where no
    record has the digest of what was read.
    """
    from tokbench.api import Runtime
    from tokbench.errors import DatasetError, RecordError
    from tokbench.pipeline.resolve import find_dataset

    source = find_dataset(name, registry)
    wanted = {r.outcome.digests["dataset"] for r in records if r.outcome is not None}
    configs: list[dict[str, Any]] = [{}]
    for record in records:
        config = record.spec.dataset.config
        if set(config) <= set(type(source).Config.model_fields) and config not in configs:
            configs.append(config)
    found = {}
    for config in configs:
        reading = type(source).of(**{**source.config.model_dump(), **config})
        try:
            dataset = reading.load(runtime=Runtime())
        except DatasetError:
            if not config:
                raise
            continue  # another dataset's options
        found[dataset.digest()] = dataset.titles
    used = {digest: titles for digest, titles in found.items() if digest in wanted}
    if not used:
        raise RecordError(
            f"--titles {name}: no record here was made from these data (digest "
            f"{min(found)[:8]}); records have {', '.join(sorted(d[:8] for d in wanted))}"
        )
    return used


def _described(registry: Registry) -> dict[tuple[str, str], Described]:
    """Every component's options as plain values, for pages that know no registry."""
    from tokbench.report.site.options import Described

    found = {}
    for entry in (owners[0] for owners in registry.entries.values()):
        fields = entry.cls.Config.model_fields
        required = any(info.is_required() for info in fields.values())
        defaults = {} if required else entry.cls.Config().model_dump(mode="json")
        meanings = {key: info.description or "" for key, info in fields.items()}
        found[entry.kind, entry.name] = Described(defaults, meanings, entry.cls.presets)
    return found

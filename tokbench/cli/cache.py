"""`tokbench cache`: what the store has, whether it is whole, and how to be rid of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokbench.cli.screen import say

if TYPE_CHECKING:
    from tokbench.pipeline.store import Store

CACHE = click.option("--cache", type=click.Path(file_okay=False, path_type=Path), default=None,
                     help="The folder [default: the user cache, or TOKBENCH_CACHE].")  # fmt: skip
DAY = 24 * 3600.0


@click.group("cache", short_help="List, verify or clean the store of artifacts.")
def cache_command() -> None:
    """What stages made is kept, so that no run computes it again. Nothing here is needed for a
    record: whatever is removed is computed again when it is asked for.
    """


@cache_command.command("list", short_help="Say what is there.")
@CACHE
def list_command(cache: Path | None) -> None:
    """Artifacts and their sizes, by stage."""
    from tokbench.cli.report import show
    from tokbench.report.tables import Column, Table

    store = _store(cache)
    found: dict[str, list[int]] = {}
    for stage, key in store.artifacts():
        found.setdefault(stage, []).append(_size(store.folder(stage, key)))
    columns = (Column("stage"), Column("artifacts", "count"), Column("MB", "count"))
    rows = tuple((stage, len(sizes), round(sum(sizes) / 1e6)) for stage, sizes in found.items())
    show([Table(str(store.root), columns, rows)])


@cache_command.command("verify", short_help="Compare every artifact with its digests.")
@CACHE
def verify_command(cache: Path | None) -> int:
    """Name every artifact that is damaged; a run builds such ones again. Status 1 where there are
    any."""
    store = _store(cache)
    damaged = list(_damaged(store))
    for stage, key in damaged:
        say(f"{store.folder(stage, key)}: damaged")
    say(f"{store.root}: {sum(1 for _ in store.artifacts())} artifacts, {len(damaged)} damaged")
    return 1 if damaged else 0


@cache_command.command("clean", short_help="Remove what is damaged, left over or old.")
@CACHE
@click.option("--older-than", "days", type=click.FloatRange(min=0), default=None, metavar="DAYS",
              help="Also remove artifacts that were made so long ago; 0 removes all.")  # fmt: skip
def clean_command(cache: Path | None, days: float | None) -> None:
    """Remove damaged artifacts, and what killed writers left more than an hour ago."""
    store = _store(cache)
    gone = set(_damaged(store))
    if days is not None:
        gone |= {one for one in store.artifacts() if _age(store.folder(*one)) >= days * DAY}
    size = sum(_size(store.folder(*one)) for one in gone)
    for one in gone:
        store.remove(*one)
    swept = store.sweep(3600.0)
    say(f"{store.root}: {len(gone)} artifacts removed ({size / 1e6:.0f} MB), {swept} left over by "
        "killed runs")  # fmt: skip


def _store(cache: Path | None) -> Store:
    from tokbench.pipeline.context import default_cache
    from tokbench.pipeline.store import Store

    return Store((cache or default_cache()) / "store")


def _damaged(store: Store) -> Iterator[tuple[str, str]]:
    return (one for one in store.artifacts() if store.find(*one) is None)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _age(folder: Path) -> float:
    return time.time() - folder.stat().st_mtime

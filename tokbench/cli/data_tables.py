"""Counts beside the published ones, on the screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from tokbench.cli.screen import screen

if TYPE_CHECKING:
    from tokbench.ingest.interactions import Statistics
    from tokbench.ingest.official.official import Official
    from tokbench.ingest.official.prepare import Candidate
    from tokbench.ingest.official.recipe import DataRecipe, Published
    from tokbench.report.tables import Entry


def dataset_rows(registered: dict[str, str]) -> Iterator[tuple[Entry, ...]]:
    """(name, is it ready, users, items, what it is, terms) of the official datasets, those under
    the data folders, and the registered ones, by name.

    Counts are those of the files where they are there, else the published ones; None: unknown.
    """
    from tokbench.datasets.layout import ITEMS
    from tokbench.datasets.prepared import data_roots
    from tokbench.ingest.official.official import DATASETS

    folders = {
        path.parent.name: path.parent
        for root in reversed(data_roots())
        for path in sorted(root.glob(f"*/{ITEMS}"))
    }
    for name in sorted({*registered, *DATASETS, *folders} - {"folder"}):
        entry = DATASETS.get(name)
        about = entry.about if entry else registered.get(name, f"folder {folders.get(name)}")
        users: int | None
        items: int | None
        if name in folders:
            users, items = counts(folders[name])
        else:
            published = entry.published if entry else None
            users, items = (published.users, published.items) if published else (None, None)
        made = name in folders or entry is None
        by_hand = entry and not all(f.urls for f in entry.sources[entry.recipe.source].files)
        ready = "yes" if made else "by hand" if by_hand else "download"
        yield name, ready, users, items, about, entry.licence if entry else ""


def counts(folder: Path) -> tuple[int, int]:
    """Users and items of a dataset folder: its lines."""
    from tokbench.datasets.layout import ITEMS, SEQUENCES

    files = (folder / SEQUENCES, folder / ITEMS)
    users, items = (_lines(file) if file.is_file() else 0 for file in files)
    return users, items


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(2**20), b""))


def print_comparison(ours: Statistics, theirs: Published) -> None:
    """A row for each count: ours, the published one where there is one, and the difference."""
    from tokbench.ingest.official.recipe import compare

    table = Table("", "here", theirs.where, "difference")
    for name, our, their, difference in compare(ours, theirs):
        table.add_row(name, _figure(our), _figure(their), _figure(difference, "+,g"))
    screen().print(table)


def print_candidates(found: Sequence[Candidate], entry: Official, *, total: int) -> None:
    """A row for each recipe: its counts, how far they are, and how it differs from the default."""
    table = Table("users", "items", "mean", "length", "distance", "recipe: --set ...")
    published = entry.published
    table.add_row(
        _figure(published.users), _figure(published.items), _figure(published.mean),
        f"{published.shortest}-{published.longest}", "", f"published: {published.where}",
        end_section=True,
    )  # fmt: skip
    for candidate in found:
        counts = candidate.statistics
        table.add_row(
            _figure(counts.users), _figure(counts.items), _figure(counts.mean),
            f"{counts.shortest}-{counts.longest}", f"{candidate.distance:.4f}",
            _changes(candidate.recipe, entry.recipe) or "(what `prepare` does)",
        )  # fmt: skip
    console = screen()
    console.print(table)
    console.print(
        f"{len(found)} of {total} recipes tried; distance: |log ratio| of users, items and mean "
        "length, summed; 0 is equal",
        style="dim",
        highlight=False,
    )


def _changes(recipe: DataRecipe, default: DataRecipe) -> str:
    options = default.model_dump()
    changed = {k: v for k, v in recipe.model_dump().items() if v != options[k]}
    return " ".join(f"recipe.{option}={value}" for option, value in changed.items())


def _figure(value: float | None, form: str = ",g") -> str:
    if value is None:
        return ""
    return f"{value:{form}}" if isinstance(value, float) else f"{value:{form.replace('g', 'd')}}"

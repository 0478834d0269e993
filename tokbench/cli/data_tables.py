"""Counts beside the published ones, on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from tokbench.cli.screen import screen

if TYPE_CHECKING:
    from tokbench.ingest.interactions import Statistics
    from tokbench.ingest.official.official import Official
    from tokbench.ingest.official.prepare import Candidate
    from tokbench.ingest.official.recipe import DataRecipe, Published


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

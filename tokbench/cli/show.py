"""`tokbench list` and `tokbench show`: what there is, and every option of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokbench.cli.report import FORMAT, LIMIT, first, show
from tokbench.cli.screen import say

if TYPE_CHECKING:
    from tokbench.registry.registry import Entry, Registry
    from tokbench.report.tables import Table

KINDS = ("tokenizers", "generators", "datasets", "encoders", "metrics")
PLUGIN = click.option(
    "--plugin", "plugins", multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Also load components from one Python file. Repeatable.",
)  # fmt: skip


@click.command("list", short_help="List components.")
@click.argument("kind", type=click.Choice(KINDS), required=False)
@PLUGIN
@FORMAT
@LIMIT
def list_command(kind: str | None, plugins: tuple[Path, ...], form: str, limit: int | None) -> None:
    """List the components of one KIND, or of all of them, with their presets."""
    from tokbench.registry.isolated.isolated import isolated_registry
    from tokbench.report.tables import Column, Table

    registry = isolated_registry(plugins)
    tables = []
    columns = tuple(map(Column, ("name", "presets", "what it is", "from")))
    for plural in [kind] if kind else KINDS:
        if plural == "datasets":
            tables.append(_datasets(registry, limit))
            continue
        rows = tuple(
            (entry.name, ", ".join(entry.cls.presets), _first_line(entry), entry.origin)
            for entry in registry.all(plural.removesuffix("s"))
        )
        table = Table(plural, columns, rows)
        tables.append(table if limit is None else first(table, limit))
    show(tables, form)
    for failure in registry.failures:
        say(f"not loaded: {failure.plugin}: {failure.reason}", err=form != "terminal")


def _datasets(registry: Registry, limit: int | None) -> Table:
    """All that --dataset knows by name; `ready` says what a run would do for it."""
    from tokbench.cli.data_tables import dataset_rows
    from tokbench.report.tables import Column, Table

    known = {entry.name: _first_line(entry) for entry in registry.all("dataset")}
    columns = (Column("name"), Column("ready"), Column("users", "count"), Column("items", "count"),
               Column("what it is"), Column("terms"))  # fmt: skip
    note = (
        "ready: yes; download: `tokbench run` fetches it when asked; by hand: its publisher gives "
        "it to people only, `tokbench data prepare NAME` says where. Any folder with items.jsonl "
        "and sequences.jsonl is a dataset by its path. Counts: of the files, else as published."
    )
    table = Table("datasets", columns, tuple(dataset_rows(known)), note)
    return table if limit is None else first(table, limit)


@click.command("show", short_help="Show every option of a component.")
@click.argument("name")
@PLUGIN
def show_command(name: str, plugins: tuple[Path, ...]) -> None:
    """Show what NAME is: every option with type, default, bounds, meaning and paper symbol."""
    from tokbench.cli.screen import screen
    from tokbench.registry.isolated.isolated import isolated_registry

    entries = entries_called(name, isolated_registry(plugins))
    console = screen()
    for entry in entries:
        _print_entry(console, entry)


def entries_called(name: str, registry: Registry) -> list[Entry]:
    """The components of that name, of any kind; `NAME:PRESET` counts as NAME.

    Raises UnknownComponentError with near matches, and what failed to load.
    """
    entries = registry.find(name.partition(":")[0])
    if entries:
        return entries
    import difflib

    from tokbench.errors import UnknownComponentError

    known = sorted({known for _, known in registry.entries})
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "see `tokbench list`"
    broken = "".join(f"; not loaded: {f.plugin}: {f.reason}" for f in registry.failures)
    raise UnknownComponentError(f"nothing is called {name!r}; {hint}{broken}")


def _print_entry(console: Any, entry: Entry) -> None:
    from tokbench.report.tables import Column, Table

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False)

    cls = entry.cls
    say(f"{entry.kind} {entry.name} ({entry.origin}): {_first_line(entry)}")
    if cls.citation:
        say(f"source: {cls.citation}")
    columns = ("option", "symbol", "type", "default", "bounds", "paper", "meaning")
    rows = tuple(_options(cls.Config))
    show([Table("", tuple(map(Column, columns)), rows)]) if rows else say("no options")
    for preset, options in cls.presets.items():
        say(f"preset {preset}: " + ", ".join(f"{key}={value}" for key, value in options.items()))
    if cls.space:
        searched = ", ".join(f"{option}={values}" for option, values in cls.space.items())
        say(f"space of `tokbench tune --space {entry.name}`: {searched}")
    for sentence in cls.deviations:
        say(f"departs from the paper: {sentence}")


def _options(config: Any) -> Iterator[tuple[str, ...]]:
    """name, symbol, type, default, bounds, paper's value, meaning of each option."""
    from tokbench.registry.settings import type_name

    schema = config.model_json_schema()["properties"]
    bounds = {"minimum": ">=", "maximum": "<=", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
    for name, info in config.model_fields.items():
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        limits = [
            f"{sign} {schema[name][key]}" for key, sign in bounds.items() if key in schema[name]
        ]
        limits += [" | ".join(str(choice) for choice in schema[name].get("enum", []))]
        paper = extra.get("paper")
        yield (
            name,
            str(extra.get("symbol", "")),
            str(extra.get("type") or type_name(info.annotation)),
            "required" if info.is_required() else str(info.default),
            ", ".join(limit for limit in limits if limit),
            "same" if paper is None else str(paper),
            info.description or "",
        )


def _first_line(entry: Entry) -> str:
    return (entry.cls.__doc__ or "").strip().partition("\n")[0]

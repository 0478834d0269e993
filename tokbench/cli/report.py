"""`tokbench report`: one command for each report, the board where none is named."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokbench.cli.request import with_options
from tokbench.cli.screen import say, skipped
from tokbench.report.reports import REPORTS

if TYPE_CHECKING:
    from tokbench.report.tables import Table

FORMS = ("terminal", "markdown", "csv", "json", "latex", "html")
MORE = {"grid": "tokbench.cli.report_grid", "site": "tokbench.cli.report_site"}
DEFAULT = "board"
SOURCE = click.argument("source", required=False, default=Path("results"),
                        type=click.Path(path_type=Path))  # fmt: skip
DATASET = click.option("-d", "--dataset", "datasets", multiple=True,
                       help="Only records of this dataset. Repeatable.")  # fmt: skip


def _json_or(context: click.Context, option: click.Parameter, form: str) -> str:
    return "json" if context.meta.get("tokbench.json") else form


def _want_json(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    context.meta["tokbench.json"] = wanted


FORMAT = with_options([
    click.option("--format", "form", type=click.Choice(FORMS), default="terminal",
                 callback=_json_or, show_default=True, help="How to print."),
    click.option("--json", is_flag=True, is_eager=True, expose_value=False, callback=_want_json,
                 help="Short for --format json."),
])  # fmt: skip
LIMIT = click.option("--limit", type=click.IntRange(min=1), default=None, metavar="N",
                     help="The first N rows of each table only.")  # fmt: skip


class _Reports(click.Group):
    """A command per report, made when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of REPORTS, then those that are more than tables."""
        return [*REPORTS, *MORE]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """A table of REPORTS, or a command of its own."""
        if name in MORE:
            command: click.Command = getattr(importlib.import_module(MORE[name]), f"{name}_command")
            return command
        return _table_command(name) if name in REPORTS else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without a report's name the board is meant: `tokbench report results --format csv`."""
        first = args[0] if args else ""
        if first not in {*self.list_commands(ctx), *ctx.help_option_names}:
            self._look_for(list(takewhile(lambda word: not word.startswith("-"), args)), ctx)
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def _look_for(self, words: Sequence[str], ctx: click.Context) -> None:
        """Raises UsageError where the first words are neither a report nor a folder."""
        absent = [word for word in words if not Path(word).exists()]
        if absent:
            names = self.list_commands(ctx)
            near = get_close_matches(absent[0], names, n=1)
            said = f"did you mean `tokbench report {near[0]}`?" if near else (
                f"reports are {', '.join(names)}, and records are in a folder, such as results"
            )  # fmt: skip
            words_said = " or ".join(repr(word) for word in absent)
            raise click.UsageError(f"there is no report and no folder called {words_said}; {said}")


@click.command("report", cls=_Reports, short_help="Print boards and other tables of records.")
def report_command() -> None:
    """Print what records say; without the name of a report, the board.

    \b
    tokbench report                         the board of the records under results/
    tokbench report slices other/folder     another report, of other records
    tokbench report grid benchmarks/figure4.toml
    """


def _table_command(name: str) -> click.Command:
    @SOURCE
    @DATASET
    @FORMAT
    @LIMIT
    @click.option("--wide", is_flag=True, help="On the terminal: every column, however wide.")
    def command(
        source: Path, datasets: tuple[str, ...], form: str, limit: int | None, wide: bool
    ) -> None:
        from tokbench.report.reports import make, nothing
        from tokbench.report.result_set import ResultSet

        if source.is_file():
            raise click.UsageError(
                f"{source} is a file: for a grid file `tokbench report grid {source}`; "
                f"`tokbench report {name}` takes a folder of records"
            )
        results = ResultSet.read(source, datasets, skipped)
        tables = make(name, results, "wide" if wide and form == "terminal" else form)
        if not tables:
            say(nothing(name, results), err=True)
        show([table if limit is None else first(table, limit) for table in tables], form)

    shows, _ = REPORTS[name]
    text = f"{shows}\n\nSOURCE is a folder of records. [default: results]"
    made: Callable[[Any], click.Command] = click.command(name, short_help=shows, help=text)
    return made(command)


def first(table: Table, limit: int) -> Table:
    """The first rows of a table; its note says of how many."""
    if len(table.rows) <= limit:
        return table
    note = " ".join(filter(None, (f"{limit} of {len(table.rows)} rows.", table.note)))
    return replace(table, rows=table.rows[:limit], note=note)


def show(tables: Sequence[Table], form: str = "terminal") -> None:
    """Print tables with their notes in one of FORMS."""
    from tokbench.report import tables as writers

    if form != "terminal":
        say(writers.FORMS[form](tables), nl=False)
        return
    from tokbench.cli.screen import screen

    console = screen()
    for table in tables:
        console.print(writers.terminal(table, console.width))
        if table.note:
            console.print(table.note, style="dim", markup=False, highlight=False)

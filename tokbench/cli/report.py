"""`tokbench report`: boards from records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokbench.cli.request import REQUEST, request_fields, typed_options, with_options

if TYPE_CHECKING:
    from tokbench.record import Record

FORMATS = ("terminal", "markdown", "csv", "json", "latex")


@click.command("report", short_help="Print the boards made from records, or a paper's figure.")
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Where the records are.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="terminal",
    show_default=True,
    help="How to print.",
)
@click.option(
    "--against",
    type=click.Choice(["paper"]),
    default=None,
    help="Print our figures beside those that papers print.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("figures"),
    show_default=True,
    help="Where the figures of a grid file are written.",
)
@with_options(REQUEST)
def report_command(
    source: Path | None, results: Path, form: str, against: str | None, out: Path, **options: Any
) -> None:
    """Print the boards made from the records under SOURCE, a folder: Recall and NDCG @5 to @40.

    Where SOURCE is a grid file (benchmarks/figure4.toml), print its table or draw its figure from
    the records of its cells, and judge the paper's claims. Give the options that it was run with:
    they say which cells are meant. For a folder, only --dataset has a meaning.
    """
    if source is not None and source.is_file():
        from tokbench.cli.grid_report import report_grid

        plugins = options.pop("plugins")
        report_grid(source, request_fields(options, source), plugins, results, out, form)
        return
    _refuse(typed_options() & options.keys() - {"datasets"})
    _report_folder(source or results, form, options["datasets"], against)


def _refuse(names: set[str]) -> None:
    if names:
        raise click.UsageError(
            f"{', '.join(sorted(names))}: these choose the cells of a grid file; give one, such as "
            "benchmarks/figure4.toml"
        )


def _report_folder(
    results: Path, form: str, datasets: tuple[str, ...], against: str | None
) -> None:
    from tokbench.errors import RecordError
    from tokbench.record import read_records

    records = [
        record
        for record in read_records(results)
        if not datasets or {record.spec.dataset.name, record.spec.dataset.label} & {*datasets}
    ]
    if not records:
        raise RecordError(
            f"no records under {results}/"
            + (f" for {', '.join(datasets)}" if datasets else "")
            + "; make some with `tokbench run`, or name the folder that has them"
        )
    if against:
        _print_against(records, form)
        return
    if form == "terminal":
        from tokbench.cli.board import print_board

        print_board(records)
        return
    from tokbench.report.board import make_boards
    from tokbench.report.latex import latex
    from tokbench.report.render import as_csv, as_json, markdown

    forms = {"markdown": markdown, "csv": as_csv, "json": as_json, "latex": latex}
    click.echo(forms[form](make_boards(records)), nl=False)


def _print_against(records: Sequence[Record], form: str) -> None:
    from tokbench.report import published
    from tokbench.report.board import make_boards

    forms = {"markdown": published.as_markdown, "csv": published.as_csv, "json": published.as_json}
    if form != "terminal" and form not in forms:
        raise click.UsageError(f"--against paper has no format {form}: use {', '.join(forms)}")
    boards = make_boards(records)
    found = published.against(boards)
    if not found:
        click.echo(published.nothing_to_compare(boards), err=form != "terminal")
    elif form == "terminal":
        from tokbench.cli.board import print_against

        print_against(found)
        return
    if form in forms:
        click.echo(forms[form](found), nl=False)

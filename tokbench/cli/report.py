"""`tokbench report`: boards from records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokbench.cli.request import REQUEST, request_fields, typed_options, with_options

if TYPE_CHECKING:
    from tokbench.schema.record import Record

OLD = (
    "none of these records has what --{name} shows; records made by this version have it (item-id "
    "codes are not measured)"
)
NOTHING = {"overview": "--{name} wants records on two datasets, run in one setting"}
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
@click.option("--format", "form", type=click.Choice(FORMATS),
              default="terminal", show_default=True, help="How to print.")  # fmt: skip
@click.option("--against", type=click.Choice(["paper"]), default=None,
              help="Print our figures beside those that papers print.")  # fmt: skip
@click.option("--overview", "sheet", flag_value="overview",
              help="Recall@10 of every method on every dataset, their mean, and how often it "
              "wins.")  # fmt: skip
@click.option("--slices", "sheet", flag_value="slices",
              help="Recall@10 and NDCG@10 of parts of the users: head and tail items, short and "
              "long histories, collisions, days.")  # fmt: skip
@click.option("--intrinsic", "sheet", flag_value="intrinsic",
              help="Measures of the tokenizers' codes beside Recall@10, and whether any predicts "
              "it.")  # fmt: skip
@click.option("--costs", "sheet", flag_value="costs",
              help="Seconds, users/s, memory, parameters and tokens of every row.")  # fmt: skip
@click.option("--decoding", "sheet", flag_value="decoding",
              help="At which level beams lose the target, and what an exhaustive search would "
              "find.")  # fmt: skip
@click.option("--html", "site", type=click.Path(file_okay=False, path_type=Path), default=None,
              metavar="DIR", help="Write the boards as a site into DIR: opens from a folder, "
              "loads nothing from elsewhere.")  # fmt: skip
@click.option("--titles", "titles", multiple=True, metavar="DATASET",
              help="With --html: write the item titles of DATASET, a name or a folder, into the "
              "code trees. Without it no text of a dataset is written; see that its terms allow "
              "it before you publish. Repeatable.")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("figures"),
              show_default=True, help="Where the figures of a grid file are written.")  # fmt: skip
@with_options(REQUEST)
def report_command(
    source: Path | None, results: Path, form: str, against: str | None, sheet: str | None,
    site: Path | None, titles: tuple[str, ...], out: Path, **options: Any,
) -> None:  # fmt: skip
    """Print the boards made from the records under SOURCE, a folder: Recall and NDCG @5 to @40.

    Where SOURCE is a grid file (benchmarks/figure4.toml), print its table or draw its figure from
    the records of its cells, and judge the paper's claims. Give the options that it was run with:
    they say which cells are meant. For a folder, only --dataset has a meaning.
    """
    if source is not None and source.is_file():
        from tokbench.cli.grid_report import report_grid

        beside = typed_options() & {"sheet", "site", "titles"}
        if beside:
            raise click.UsageError(
                "a grid file prints its own table and figure: leave out --html, --titles, "
                "--overview, --slices, --intrinsic, --costs and --decoding, or name a folder"
            )
        plugins = options.pop("plugins")
        report_grid(source, request_fields(options, source), plugins, results, out, form)
        return
    _refuse(typed_options() & options.keys() - {"datasets"})
    if titles and site is None:
        raise click.UsageError("--titles goes into the pages of --html DIR: name that folder")
    if site is not None and (against or sheet or form != "terminal"):
        raise click.UsageError(
            "--html writes a site of its own: leave out --format, --against and other tables"
        )
    if against and sheet:
        raise click.UsageError(f"--against and --{sheet} are two tables: ask for one at a time")
    folder = source or results
    records = _records(folder, options["datasets"])
    if site is not None:
        from tokbench.cli.site import write_html

        write_html(records, folder, site, titles)
    elif against:
        _print_against(records, form)
    elif sheet:
        _print_sheets(records, sheet, form)
    else:
        _print_boards(records, form)


def _refuse(names: set[str]) -> None:
    if names:
        raise click.UsageError(
            f"{', '.join(sorted(names))}: these choose the cells of a grid file; give one, such as "
            "benchmarks/figure4.toml"
        )


def _records(results: Path, datasets: tuple[str, ...]) -> list[Record]:
    from tokbench.errors import RecordError
    from tokbench.schema.record import read_records

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
    return records


def _print_boards(records: Sequence[Record], form: str) -> None:
    if form == "terminal":
        from tokbench.cli.board import print_board

        print_board(records)
        return
    from tokbench.report.board import make_boards
    from tokbench.report.latex import latex
    from tokbench.report.overview import page
    from tokbench.report.render import as_csv, as_json

    if form == "markdown":
        click.echo(page(records), nl=False)
        return
    forms = {"csv": as_csv, "json": as_json, "latex": latex}
    click.echo(forms[form](make_boards(records)), nl=False)


def _print_sheets(records: Sequence[Record], name: str, form: str) -> None:
    from tokbench.report import costs, intrinsic, overview, sheet, slices

    makers = {"overview": overview.overview_sheets, "slices": slices.slice_sheets,
              "intrinsic": intrinsic.intrinsic_sheets, "costs": costs.cost_sheets,
              "decoding": costs.decoding_sheets}  # fmt: skip
    forms = {"markdown": sheet.as_markdown, "csv": sheet.as_csv, "json": sheet.as_json}
    if form != "terminal" and form not in forms:
        raise click.UsageError(f"--{name} has no format {form}: use {', '.join(forms)}")
    sheets = makers[name](records)
    if not sheets:
        click.echo(NOTHING.get(name, OLD).format(name=name), err=True)
    if form in forms:
        click.echo(forms[form](sheets), nl=False)
    else:
        from tokbench.cli.board import print_sheets

        print_sheets(sheets)


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

"""`tokbench report FILE.toml`: a grid file's figure or table, and the paper's claims judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tokbench.report.grid_sheet import GridSheet


def report_grid(file: Path, fields: dict[str, Any], plugins: Any, results: Path, out: Path,
                form: str) -> None:  # fmt: skip
    """Print every sheet of the file, and write its figures below `out`."""
    if form not in ("terminal", "markdown"):
        raise click.UsageError(f"a grid file has no format {form}: use terminal or markdown")
    from tokbench.report.claims import judge, lines
    from tokbench.report.paper_table import paper_table, table_notes, values_table

    for sheet in _sheets(file, fields, plugins, results):
        source = sheet.file.source
        click.echo(f"{'### ' if form == 'markdown' else ''}{sheet.file.title}: {source.place} of "
                   f"{source.paper}\n\n{sheet.title}\n")  # fmt: skip
        judged = judge(sheet)
        if sheet.file.panels:
            from tokbench.report.figure import save_figure

            _print_table(*values_table(sheet), form)
            paths = save_figure(sheet, judged, out / f"{file.stem}-{sheet.name}")
            click.echo(f"figure: {' and '.join(str(path) for path in paths)}", err=True)
        else:
            _print_table(*paper_table(sheet), form)
            click.echo("\n".join(table_notes(sheet)))
        if source.note:
            click.echo(f"note: {source.note}")
        click.echo("\n" + "\n".join(lines(judged)) + "\n")


def _sheets(file: Path, fields: dict[str, Any], plugins: Any, results: Path) -> list[GridSheet]:
    """The file's cells joined to their records by run id."""
    from tokbench.cli.request import file_cells_of
    from tokbench.errors import RecordError
    from tokbench.registry.registry import build_registry
    from tokbench.report.grid_sheet import Measured, make_sheets
    from tokbench.schema.grid_file import read_grid_file
    from tokbench.schema.record import read_records

    cells = file_cells_of(file, fields, build_registry(plugins))
    records = {record.run_id: record for record in read_records(results)}
    measured = [
        Measured(one.point, one.cell.spec, records.get(one.cell.spec.run_id)) for one in cells
    ]
    if not any(one.record for one in measured if one.point):  # baselines draw nothing
        raise RecordError(
            f"no records of the {len({one.spec.run_id for one in measured})} cells of {file} under "
            f"{results}/: run them with `tokbench run {file}` and the same options"
        )
    return make_sheets(read_grid_file(file), measured)


def _print_table(heads: Sequence[str], rows: Sequence[Sequence[str]], form: str) -> None:
    if form == "markdown":
        from tokbench.report.render import markdown_table

        click.echo(markdown_table(heads, rows))
        return
    from rich.markup import escape
    from rich.table import Table

    from tokbench.cli.screen import screen

    table = Table(*heads)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    screen().print(table)

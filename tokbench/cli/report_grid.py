"""`tokbench report grid FILE`: a grid file's figure or table, and the paper's claims judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokbench.cli.report import FORMAT, show
from tokbench.cli.request import REQUEST, request_fields, with_options
from tokbench.cli.screen import say, skipped

if TYPE_CHECKING:
    from tokbench.report.grid_points import GridPoints


@click.command("grid", short_help="Print a paper's table or draw its figure, and judge its claims.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--results", type=click.Path(file_okay=False, path_type=Path),
              default=Path("results"), show_default=True,
              help="Where the records are.")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("figures"),
              show_default=True, help="Where figures are written.")  # fmt: skip
@FORMAT
@with_options(REQUEST)
def grid_command(file: Path, results: Path, out: Path, form: str, **options: Any) -> None:
    """Print the table of FILE, a grid file such as benchmarks/figure4.toml, from the records of its
    cells; draw its figure, where it has one; and judge the paper's claims.

    Give the options that it was run with: they say which cells are meant.
    """
    from tokbench.report.grid import table

    plugins = options.pop("plugins")
    for grid in _grids(file, request_fields(options, file), plugins, results):
        show([table(grid)], form)
        if grid.file.panels:
            from tokbench.report.claims import judge
            from tokbench.report.figure import save_figure

            paths = save_figure(grid, judge(grid), out / f"{file.stem}-{grid.name}")
            say(f"figure: {' and '.join(str(path) for path in paths)}", err=True)


def _grids(file: Path, fields: dict[str, Any], plugins: Any, results: Path) -> list[GridPoints]:
    """The file's cells joined to their records by run id."""
    from tokbench.cli.request import file_cells_of
    from tokbench.errors import RecordError
    from tokbench.registry.isolated.isolated import isolated_registry
    from tokbench.report.grid_points import Measured, grid_points
    from tokbench.schema.grid_file import read_grid_file
    from tokbench.schema.record import read_records

    cells = file_cells_of(file, fields, isolated_registry(plugins))
    records = {record.run_id: record for record in read_records(results, skipped)}
    measured = [
        Measured(one.point, one.cell.spec, records.get(one.cell.spec.run_id)) for one in cells
    ]
    if not any(one.record for one in measured if one.point):  # baselines draw nothing
        raise RecordError(
            f"no records of the {len({one.spec.run_id for one in measured})} cells of {file} under "
            f"{results}/: run them with `tokbench run {file}` and the same options"
        )
    return grid_points(read_grid_file(file), measured)

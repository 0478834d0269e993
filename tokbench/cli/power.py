"""`tokbench power`."""

from __future__ import annotations

from pathlib import Path

import click

from tokbench.cli.compare import FIGURES
from tokbench.cli.report import DATASET, FORMAT, show
from tokbench.cli.screen import say, skipped


def _share(context: click.Context, option: click.Parameter, value: str) -> float:
    """`3%` or `0.03` as a number above 0."""
    text = value.strip()
    try:
        share = float(text.rstrip("% ")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share < float("inf"):
        raise click.BadParameter(f"{text!r} is no share above 0, such as 3% or 0.03")
    return share


@click.command("power", short_help="Say which differences a board can see, and what more takes.")
@click.argument("results", required=False, default=Path("results"), type=click.Path(path_type=Path))
@DATASET
@click.option("--figure", type=click.Choice(FIGURES), default="recall@10", show_default=True,
              help="Of which figure.")  # fmt: skip
@click.option("--wished", callback=_share, default="3%", show_default=True,
              help="The relative difference that is to be seen.")  # fmt: skip
@FORMAT
def power_command(
    results: Path, datasets: tuple[str, ...], figure: str, wished: float, form: str
) -> None:
    """Print, for each board and family of rows, the difference that 1, 3, 5 and 10 seeds find four
    times in five on its users, and the seeds or users that a wished one takes.

    RESULTS is a folder of records in which two rows were run more than once. [default: results]
    """
    from tokbench.report.power import tables
    from tokbench.report.result_set import ResultSet

    found = tables(ResultSet.read(results, datasets, skipped), figure=figure, wished=wished)
    if not found:
        say(f"nothing to show: no board under {results}/ has two rows of one family that "
                   "were run more than once; run some with --seeds 3", err=True)  # fmt: skip
    show(found, form)

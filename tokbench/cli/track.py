"""`tokbench track`."""

from __future__ import annotations

from pathlib import Path

import click

from tokbench.cli.screen import say

TRACKERS = ("tensorboard", "wandb", "mlflow")


@click.command("track", short_help="Tell records to an experiment tracker.")
@click.argument("results", required=False, default=Path("results"), type=click.Path(path_type=Path))
@click.option("--to", "tracker", type=click.Choice(TRACKERS), default="tensorboard",
              show_default=True, help="Which one; each is an extra of its own.")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"),
              show_default=True, help="The folder of its files.")  # fmt: skip
def track_command(results: Path, tracker: str, out: Path) -> None:
    """Tell every record under RESULTS to an experiment tracker, one run a cell: its options, the
    training curves, every figure and the seconds. [default: results]"""
    from tokbench.schema.record import no_records, read_records
    from tokbench.tracking.trackers import TRACKERS as KNOWN
    from tokbench.tracking.trackers import tell

    told = KNOWN[tracker](out)
    records = read_records(results)
    if not records:
        raise no_records(results)
    for record in records:
        tell(record, told)
    say(f"{len(records)} runs told to {tracker}, files under {out}/", err=True)

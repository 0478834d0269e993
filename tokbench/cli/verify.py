"""`tokbench verify`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("verify", short_help="Recompute every figure of every record.")
@click.argument(
    "results", type=click.Path(file_okay=False, path_type=Path), default=Path("results")
)
def verify_command(results: Path) -> int:
    """Check that the records under RESULTS follow from their own per-user data.

    Every leave-one-out figure at every cutoff and tie rule is computed again from the stored
    placement and code table, by other code than made it. Ends with status 1 and a line for
    everything that does not follow.
    """
    from tokbench.errors import RecordError
    from tokbench.verify.verify import verify

    files = sum(1 for _ in results.rglob("*.json"))
    if not files:
        raise RecordError(f"no records under {results}/; name the folder that has them")
    discrepancies = verify(results)
    for discrepancy in discrepancies:
        click.echo(str(discrepancy))
    board = " and the board" if (results / "BOARD.md").is_file() else ""
    if discrepancies:
        click.echo(
            f"{results}: {len(discrepancies)} discrepancies in {files} records{board}", err=True
        )
        return 1
    click.echo(f"{results}: {files} records{board} follow from their own data")
    return 0

"""`tokbench verify`."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokbench.cli.screen import say
from tokbench.errors import RecordError, one_line

if TYPE_CHECKING:
    from tokbench.schema.record import Record


@click.command("verify", short_help="Recompute every figure of every record.")
@click.argument(
    "results", type=click.Path(file_okay=False, path_type=Path), default=Path("results")
)
@click.option(
    "--rerun",
    "number",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Also compute N completed cells again, drawn by chance, and compare.",
)
@click.option(
    "--draw",
    type=int,
    default=None,
    metavar="SEED",
    help="Draw these cells again [default: another draw each time, printed].",
)
def verify_command(results: Path, number: int, draw: int | None) -> int:
    """Check that the records under RESULTS follow from their own per-user data.

    Every leave-one-out figure at every cutoff and tie rule is computed again from the stored
    placement and code table, by other code than made it, and records are compared with each other.
    Ends with status 1 and a line for everything that does not follow. docs/trust.md says what this
    proves and what it does not.
    """
    from tokbench.schema.record import no_records
    from tokbench.verify.verify import verify

    files = sum(1 for _ in results.rglob("*.json"))
    if not files:
        raise no_records(results)
    discrepancies = verify(results)
    for discrepancy in discrepancies:
        say(one_line(str(discrepancy)))
    board = " and the board" if (results / "BOARD.md").is_file() else ""
    if discrepancies:
        say(f"{results}: {len(discrepancies)} discrepancies in {files} records{board}", err=True)
    else:
        say(f"{results}: {files} records{board} follow from their own data")
    different = _rerun(results, number, draw) if number else 0
    return 1 if discrepancies or different else 0


def _rerun(results: Path, number: int, draw: int | None) -> int:
    """Compute cells again; how many came out differently on this very kind of machine."""
    from tokbench.cli.progress import progress
    from tokbench.pipeline.context import RunContext
    from tokbench.registry.isolated.isolated import isolated_registry
    from tokbench.verify.rerun import rerun

    seed = secrets.randbelow(10**6) if draw is None else draw
    records = dict(_sound(results))
    verdicts: Counter[str] = Counter()
    for one in rerun(records, number, seed, isolated_registry(), RunContext(progress=progress())):
        say(one_line(str(one)))
        verdicts[one.verdict] += 1
    say(
        f"computed again (--draw {seed}): {verdicts['same']} the same, {verdicts['other']} "
        f"different, {verdicts['unknown']} without a verdict"
    )
    return verdicts["other"]


def _sound(results: Path) -> Iterator[tuple[Path, Record]]:
    """The records that can be worked with, whatever else is wrong with them."""
    from tokbench.schema.record import parse_record
    from tokbench.schema.soundness import faults

    for path in sorted(results.rglob("*.json")):
        with suppress(RecordError):
            record = parse_record(path)
            if not any(faults(record)):
                yield path, record

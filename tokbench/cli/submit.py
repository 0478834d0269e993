"""`tokbench submit` and `tokbench pull`: records to and from a repository of records."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path

import click

from tokbench.cli.screen import say
from tokbench.errors import RecordError, one_line

REPOSITORY = click.option(
    "--repository", envvar="TOKBENCH_RECORDS", required=True, metavar="URL|FOLDER",
    help="The git repository of records [default: TOKBENCH_RECORDS].",
)  # fmt: skip


@click.command("submit", short_help="Prepare records for a repository of records.")
@click.argument("results", type=click.Path(file_okay=False, exists=True, path_type=Path),
                default=Path("results"))  # fmt: skip
@REPOSITORY
@click.option("--clone", type=click.Path(file_okay=False, path_type=Path),
              default=Path("records-clone"), show_default=True,
              help="Where to clone it.")  # fmt: skip
@click.option("--rerun", type=click.IntRange(min=0), default=1, show_default=True, metavar="N",
              help="Compute the N cheapest cells again first.")  # fmt: skip
def submit_command(results: Path, repository: str, clone: Path, rerun: int) -> int:
    """Check the records under RESULTS and commit those that the repository lacks on a branch.

    Every figure is recounted (`tokbench verify`) and the cheapest cell is computed again; failed
    cells and rows of single plugin files stay out. Nothing is pushed: the commands for that, and
    for the pull request, are printed.
    """
    from tokbench.cli.progress import progress
    from tokbench.pipeline.context import RunContext
    from tokbench.registry.isolated.isolated import isolated_registry
    from tokbench.schema.record import read_record
    from tokbench.verify.rerun import rerun as compute_again
    from tokbench.verify.submission import fit_for_submission, prepare
    from tokbench.verify.verify import verify

    discrepancies = verify(results)
    for discrepancy in discrepancies:
        say(one_line(str(discrepancy)), err=True)
    if discrepancies:
        raise RecordError(f"{len(discrepancies)} discrepancies under {results}/: nothing prepared")
    taken, left = fit_for_submission(sorted(results.rglob("*.json")))
    for reason, count in left.items():
        say(f"left out: {count} {reason}", err=True)
    if not taken:
        raise RecordError(f"no record under {results}/ that a public board takes")
    records = {path: read_record(path) for path in taken}
    costs = {path: sum(one.seconds for one in record.provenance.costs.values())
             for path, record in records.items()}  # fmt: skip
    cheapest = {path: records[path] for path in sorted(taken, key=costs.__getitem__)[:rerun]}
    context = RunContext(progress=progress())
    for one in compute_again(cheapest, rerun, 0, isolated_registry(), context):
        say(one_line(str(one)), err=True)
        if one.verdict == "other":
            raise RecordError("a cell came out differently on this machine: nothing prepared")
    made = prepare(taken, results, repository, clone)
    say(f"{len(made.added)} records on branch {made.branch} of {made.clone}. To propose them:")
    say(f"  git -C {shlex.quote(str(made.clone))} push origin {made.branch}")
    say(f"  and open a pull request from {made.branch} at {repository}")
    return 0


@click.command("pull", short_help="Fetch others' records, to compare with one's own.")
@REPOSITORY
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("others"),
              show_default=True, help="The folder to copy to.")  # fmt: skip
def pull_command(repository: str, out: Path) -> None:
    """Copy the sound records of a repository into a folder that every report takes.

    Records that are there already stay as they are.
    """
    from tokbench.verify.submission import fetch

    with tempfile.TemporaryDirectory() as scratch:
        copied = fetch(repository, out, Path(scratch) / "clone",
                       lambda text: say(f"left out: {text}", err=True))  # fmt: skip
    say(f"{len(copied)} new records in {out}: `tokbench report {shlex.quote(str(out))}`")

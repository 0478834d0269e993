"""`tokbench quick`: `run` at the sizes of a first look, the expected minutes first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from tokbench.cli.official import make_ready
from tokbench.cli.screen import say

if TYPE_CHECKING:
    from tokbench.pipeline.plan import PlannedCell

TOKENIZERS = ("cost", "rqvae")
# Seconds of one core that the committed records of profile quick took, and how far off they are:
# a test holds the records to it.
EMBED = 0.025  # an item, by all-MiniLM-L6-v2
TOKENIZE = 0.02  # an item
TRAIN = 0.009  # an interaction, of a generator over semantic IDs (rq-transformer)
BASELINE = 0.0015  # an interaction, of a baseline that is trained (sasrec)
FACTOR = 3.0


@click.command("quick", short_help="A first look at a dataset: minilm, profile quick.",
               context_settings={"ignore_unknown_options": True})  # fmt: skip
@click.argument("dataset")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF RUN]")
def quick_command(dataset: str, options: tuple[str, ...]) -> Any:
    """Run cost and rqvae on DATASET with encoder minilm and profile quick, the expected minutes
    said first.

    Short for `tokbench run --dataset DATASET --tokenizer cost --tokenizer rqvae --encoder
    minilm --profile quick`, with the options of `run`; it resumes as that does. With a --tokenizer
    or --codes of your own that one runs instead.
    """
    from tokbench.cli.run import prepared, run_command
    from tokbench.pipeline.plan import plan_cells

    words = ["--dataset", dataset, "--encoder", "minilm", "--profile", "quick", *options]
    context = run_command.make_context("run", list(words))
    if not context.params["tokenizers"] and not context.params["codes"]:
        words += [word for name in TOKENIZERS for word in ("--tokenizer", name)]
        context = run_command.make_context("run", list(words))
    with context:
        wanted = {name: value for name, value in context.params.items()
                  if name not in ("file", "jobs", "threads", "yes", "executor", "address",
                                  "gpu_share", "slurm")}  # fmt: skip
        make_ready(wanted["datasets"], yes=context.params["yes"])
        cells, where, _ = prepared(context.params["file"], wanted)
        say(said(expected_seconds(plan_cells(cells, where))), err=True)
        return run_command.invoke(context)


def expected_seconds(cells: Sequence[PlannedCell]) -> float:
    """Seconds of one core that the cells without a record may take, give or take FACTOR."""
    from tokbench.schema.run_spec import is_baseline, trained

    seconds, built = 0.0, set()
    for cell in cells:
        spec, todo = cell.spec, set(cell.stages) - set(cell.ready)
        if cell.recorded:
            continue
        baseline = is_baseline(spec.tokenizer.name, spec.generator.name)
        shared = (spec.dataset.label, spec.tokenizer.label, spec.tokenizer_seed)
        if "embed" in todo and shared[0] not in built:
            seconds += EMBED * cell.items
        if "tokenize" in todo and not baseline and shared not in built:
            seconds += TOKENIZE * cell.items
        if "train" in todo and trained(spec.tokenizer.name, spec.generator.name):
            seconds += (BASELINE if baseline else TRAIN) * cell.interactions
        built |= {shared[0], shared}
    return seconds


def said(seconds: float) -> str:
    """The expected time in words; no finer than it is known."""
    if not seconds:
        return "expected: nothing to train, every record or stage is there"
    low, high = (max(1, round(seconds / 60 * by)) for by in (1 / FACTOR, FACTOR))
    return (
        f"expected: about {max(1, round(seconds / 60))} min on one core ({low} to {high}, by the "
        "committed records); a run that is interrupted resumes with the same command"
    )

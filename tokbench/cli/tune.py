"""`tokbench tune`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokbench.cli.report import FORMAT, show
from tokbench.cli.request import CELL, request_fields, with_options
from tokbench.cli.run import CACHE, DEVICE, THREADS
from tokbench.cli.screen import say

if TYPE_CHECKING:
    from tokbench.report.tables import Table
    from tokbench.schema.tuned import Trial, Tuned


@click.command("tune", short_help="Search for the best options on validation users.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@with_options([
    *CELL,
    click.option("--space", "space", multiple=True, required=True, metavar="SCOPE.OPTION=VALUES",
                 help="What to search: sasrec.learning_rate=1e-4..1e-2:log, sasrec.width=32,64, or "
                      "a component's name for what it declares (`tokbench show`). Repeatable."),
    click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True,
                 help="How many settings to try, those already in FILE included."),
    click.option("-s", "--seed", type=click.IntRange(min=0), default=0, show_default=True,
                 help="Seed of every trial's training, and of the search."),
    CACHE, DEVICE, THREADS, FORMAT,
])  # fmt: skip
def tune_command(file: Path, form: str, **options: Any) -> int:
    """Try options of one method on one dataset, and keep what was tried in FILE, a json file.

    The first trial has the options as they are. The others are drawn by Optuna (extra `tune`). A
    trial is judged by NDCG@10 of all validation users; the test queries are taken out of the data
    beforehand. The same command goes on with FILE, and several processes may name it at once.
    Without --tokenizer a baseline over item ids is tuned. `tokbench run --tuned FILE` uses the best
    settings, and says what they took.
    """
    from tokbench.pipeline.context import RunContext, default_cache
    from tokbench.pipeline.devices import find_device
    from tokbench.pipeline.environment import threads_of
    from tokbench.pipeline.resolve import make_request
    from tokbench.pipeline.tuning.study import Study
    from tokbench.pipeline.tuning.trial import Trials
    from tokbench.registry.registry import build_registry
    from tokbench.schema.run_spec import BASELINE_TOKENIZER

    if file.suffix != ".json":
        raise click.UsageError(f"FILE is a .json file, not {file}")
    written, budget, seed = (options.pop(name) for name in ("space", "trials", "seed"))
    threads = options.pop("threads")
    registry = build_registry(options.pop("plugins"))
    context = RunContext(
        cache=options.pop("cache") or default_cache(),
        device=find_device(options.pop("device")),
        command=shlex.join(["tokbench", *sys.argv[1:]]),
    )
    alone = {"seeds": (seed,), "seed_count": None, "tokenizer_seeds": (), "generator_seeds": ()}
    fields = request_fields({**options, **alone, "baselines": False}, None)
    if not fields["tokenizers"]:
        fields |= {"tokenizers": (BASELINE_TOKENIZER,), "collision_policies": ("none",)}
    trials = Trials(make_request(**fields), context, registry)
    study = Study(file, *trials.searched(written), seed=seed)
    say(f"{file}: up to {budget} trials of {study.about['generator']} over "
               f"{study.about['tokenizer']} on {study.about['dataset']}", err=True)  # fmt: skip

    def trial(number: int, settings: dict[str, Any]) -> Trial:
        done = trials.run(number, settings)
        said = done.error or ", ".join(
            f"{name} {value:.4f}" for name, value in done.figures.items()
        )
        words = " ".join(f"{name}={value}" for name, value in settings.items())
        say(f"  {number}: {words}: {said} ({done.core_seconds:.0f} core-seconds)", err=True)
        return done

    with threads_of(threads):
        tuned = study.run(budget, trial)
    show([table(tuned)], form)
    best = tuned.best
    if best is None:
        say(f"error: none of {len(tuned.trials)} trials came to an end, the first says: "
                   f"{tuned.trials[0].error}", err=True)  # fmt: skip
        return 1
    say("best: " + " ".join(f"--set {text}" for text in tuned.overrides()), err=True)
    say(f"{len(tuned.trials)} trials, {tuned.core_seconds:.0f} core-seconds; use it with "
               f"`tokbench run --tuned {file}`", err=True)  # fmt: skip
    return 0


def table(tuned: Tuned) -> Table:
    """Every trial, the best first, failed ones last."""
    from tokbench.report.tables import Column, Table
    from tokbench.schema.tuned import SELECTED_BY

    names = list(tuned.space)
    order = sorted(tuned.trials, key=lambda one: (-one.figures.get(SELECTED_BY, -1.0), one.number))
    columns = (Column("trial", "count"), *(Column(name) for name in names),
               Column("validation N@10", "figure"), Column("validation R@10", "figure"),
               Column("core-seconds", "count"), Column("remark"))  # fmt: skip
    rows = tuple(
        (one.number, *(str(one.settings[name]) for name in names), one.figures.get(SELECTED_BY),
         one.figures.get("recall@10"), round(one.core_seconds), one.error or "")
        for one in order
    )  # fmt: skip
    about = " · ".join(tuned.about[part] for part in ("dataset", "tokenizer", "generator"))
    return Table(about, columns, rows)

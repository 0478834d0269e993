"""`tokbench run` and `tokbench plan`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tokbench.line import Place
    from tokbench.registry import Registry
    from tokbench.request import Request

COMMON = [
    click.option("-d", "--dataset", "datasets", multiple=True, required=True,
                 help="A name, or a folder with items.jsonl and sequences.jsonl. Repeatable."),
    click.option("-t", "--tokenizer", "tokenizers", multiple=True,
                 help="NAME or NAME:PRESET, see `tokbench list tokenizers`. Repeatable."),
    click.option("--codes", "codes", multiple=True, type=click.Path(dir_okay=False, path_type=Path),
                 help="A table of semantic IDs to run beside the tokenizers. Repeatable."),
    click.option("-g", "--generator", "generators", multiple=True, default=("tiger",),
                 show_default=True, help="NAME or NAME:PRESET. Repeatable."),
    click.option("-e", "--encoder", default="sentence-transformers", show_default=True,
                 help="Text encoder; sentence-transformers loads the paper's sentence-t5-base."),
    click.option("-s", "--seed", "seeds", multiple=True, type=click.IntRange(min=0),
                 help="Seed of tokenizer and generator alike. Repeatable. [default: 0]"),
    click.option("--seeds", "seed_count", type=click.IntRange(min=1), default=None, metavar="N",
                 help="Short for --seed 0 to --seed N-1."),
    click.option("--tokenizer-seed", "tokenizer_seeds", multiple=True,
                 type=click.IntRange(min=0),
                 help="Seed of the tokenizer alone, crossed with those of the generator: the board "
                      "then shows how much each axis varies. Repeatable."),
    click.option("--generator-seed", "generator_seeds", multiple=True,
                 type=click.IntRange(min=0), help="Seed of the generator alone. Repeatable."),
    click.option("--profile", type=click.Choice(["paper", "quick", "toy"]), default="paper",
                 show_default=True, help="The sizes to run at; boards never mix profiles."),
    click.option("--protocol", type=click.Choice(["leave-one-out", "temporal"]),
                 default="leave-one-out", show_default=True, help="How test items are held out."),
    click.option("--collision-policy", "collision_policies", multiple=True,
                 default=("nearest-free",), show_default=True,
                 help="What becomes of items that share a code tuple. Repeatable."),
    click.option("--beam-width", type=click.IntRange(1, 1000), default=50, show_default=True,
                 help="Beams per user; wider than the largest cutoff, 40."),
    click.option("--baselines/--no-baselines", default=True, show_default=True,
                 help="Also run popularity and bigram."),
    click.option("--set", "overrides", multiple=True, metavar="SCOPE.OPTION=VALUE",
                 help="Override an option, e.g. tokenizer.temperature=0.5. Repeatable."),
    click.option("--plugin", "plugins", multiple=True,
                 type=click.Path(dir_okay=False, path_type=Path),
                 help="Load components from one Python file; such rows are marked. Repeatable."),
    click.option("--results", type=click.Path(file_okay=False, path_type=Path),
                 default=Path("results"), show_default=True, help="Where records are written."),
    click.option("--cache", type=click.Path(file_okay=False, path_type=Path), default=None,
                 help="Where artifacts are kept [default: the user cache, or TOKBENCH_CACHE]."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1."),
    click.option("--threads", type=click.IntRange(min=1), default=None,
                 help="CPU threads of each job [default: torch's choice, or the cores divided by "
                      "the jobs]."),
    click.option("-j", "--jobs", type=click.IntRange(min=1), default=1, show_default=True,
                 help="Cells to run at once, each in a process of its own."),
]  # fmt: skip


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(COMMON):
        command = option(command)
    return command


@click.command("run", short_help="Run a grid of cells, one record each.")
@_common
def run_command(**options: Any) -> int:
    """Run a grid of cells: datasets x tokenizers x policies x generators x seeds.

    Cells share every stage whose inputs are equal, and a cell that has a record is not run again.
    """
    from tokbench.cli.board import print_board
    from tokbench.cli.notices import notices
    from tokbench.grid import run_grid

    jobs, threads = options.pop("jobs"), options.pop("threads")
    request, place, registry = _prepared(options)
    try:
        with notices(jobs) as told:
            records = run_grid(
                request, place, registry=registry, notices=told, jobs=jobs, threads=threads
            )
    except KeyboardInterrupt:
        click.echo(f"interrupted: finished stages are kept, resume with:\n  {place.command}",
                   err=True)  # fmt: skip
        return 130
    print_board(records)
    failed = [record for record in records if record.status == "failed"]
    for record in failed:
        click.echo(f"failed: {record.spec.tokenizer.label}: {record.error}", err=True)
    if failed:
        click.echo(f"{len(failed)} of {len(records)} cells failed; once mended, resume with:\n"
                   f"  {place.command}", err=True)  # fmt: skip
    return 1 if failed else 0


@click.command("plan", short_help="Say what a run would do.")
@_common
def plan_command(**options: Any) -> None:
    """Say what a run with these options would do, and which stages are already there."""
    from rich.table import Table

    from tokbench.cli.screen import screen
    from tokbench.grid import plan_grid
    from tokbench.line import STAGES

    for name in ("jobs", "threads"):  # so that `plan` takes the words of `run`
        del options[name]
    request, place, registry = _prepared(options)
    cells = plan_grid(request, place, registry=registry)
    table = Table("dataset", "tokenizer", "policy", "generator", "seed", *STAGES, "record")
    for cell in cells:
        spec = cell.spec
        marks = ["ready" if stage in cell.ready else "to do" for stage in STAGES]
        table.add_row(spec.dataset.label, spec.tokenizer.label, spec.collision_policy,
                      spec.generator.label, spec.seeds, *marks,
                      "there" if cell.recorded else "to do")  # fmt: skip
    console = screen()
    console.print(table)
    for label, text in {cell.spec.dataset.label: cell.example for cell in cells}.items():
        console.print(f"{label}, first item's text: {text}", markup=False, highlight=False)
    missing = sum(not cell.recorded for cell in cells)
    console.print(f"{len(cells)} cells, {missing} to run, profile {request.profile}")


def _prepared(options: dict[str, Any]) -> tuple[Request, Place, Registry]:
    """Options to a request, a place to run it and the components at hand."""
    from dataclasses import replace

    from tokbench.cli.progress import progress
    from tokbench.grid import default_place
    from tokbench.registry import build_registry
    from tokbench.request import make_request

    registry = build_registry(options.pop("plugins"))
    place = default_place(options.pop("results"))
    cache, device = options.pop("cache"), options.pop("device")
    options["seeds"] = _seeds(options["seeds"], options.pop("seed_count"))
    options["tokenizers"] += tuple(f"table:{path}" for path in options.pop("codes"))
    place = replace(
        place,
        cache=cache or place.cache,
        device=_device(device),
        progress=progress(),
        command=shlex.join(["tokbench", *sys.argv[1:]]),
    )
    return make_request(**options), place, registry


def _seeds(named: tuple[int, ...], count: int | None) -> tuple[int, ...]:
    """Seeds named one by one, or counted, or 0."""
    if named and count is not None:
        raise click.UsageError("--seeds N counts from 0 and --seed names seeds: give one of them")
    return named or tuple(range(count or 1))


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise click.BadParameter(f"device {name!r} cannot be used: {error}") from error
    return name

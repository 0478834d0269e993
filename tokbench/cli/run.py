"""`tokbench run` and `tokbench plan`."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokbench.cli.official import make_ready
from tokbench.cli.report import FORMAT, show
from tokbench.cli.request import REQUEST, cells_of, request_fields, with_options
from tokbench.cli.screen import say

if TYPE_CHECKING:
    from tokbench.pipeline.cell import Cell
    from tokbench.pipeline.context import RunContext
    from tokbench.pipeline.executor import Executor
    from tokbench.registry.registry import Registry

CACHE = click.option(
    "--cache", type=click.Path(file_okay=False, path_type=Path), default=None,
    help="Where artifacts are kept [default: the user cache, or TOKBENCH_CACHE].",
)  # fmt: skip
DEVICE = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1."
)
THREADS = click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True,
    help="CPU threads of each job. Another count rounds, and so trains, otherwise: it is named in "
         "the record and on the board.",
)  # fmt: skip
WHERE = [
    click.option("--results", type=click.Path(file_okay=False, path_type=Path),
                 default=Path("results"), show_default=True, help="Where records are written."),
    CACHE,
    click.option("--store", "shared", default="", envvar="TOKBENCH_STORE", metavar="ADDRESS",
                 help="A store that other machines use too, s3://bucket/prefix or any address of "
                 "fsspec; the cache is then its local copy, and completed runs are taken from it."),
    DEVICE,
    THREADS,
    click.option("-j", "--jobs", type=click.IntRange(min=1), default=1, show_default=True,
                 help="Cells to run at once, each in a process of its own."),
    click.option("--cell-seconds", type=click.FloatRange(min=0), default=24 * 3600.0,
                 show_default=True, help="Seconds a plugin may take for a stage of a cell; 0 is no "
                 "limit."),
    click.option("--cell-memory", type=click.FloatRange(min=0), default=0.0, metavar="GB",
                 help="Memory a plugin may use for a stage of a cell [default: no limit]."),
]  # fmt: skip
ELSEWHERE = [
    click.option("--executor", type=click.Choice(["local", "ray", "slurm"]), default="local",
                 show_default=True, help="Where stages run: in processes here, on a Ray cluster, "
                 "or as jobs of a SLURM site (docs/cluster.md)."),
    click.option("--address", default="", metavar="HOST:PORT",
                 help="A Ray cluster that is there [default: one started on this machine]."),
    click.option("--gpu-share", type=click.FloatRange(0, 1, min_open=True), default=1.0,
                 show_default=True, help="Of a card, for each stage that uses it, under ray."),
    click.option("--slurm", "slurm", multiple=True, metavar="OPTION=VALUE",
                 help="An option of sbatch: partition, account, qos, mem, time (minutes). "
                 "Repeatable."),
]  # fmt: skip
FILE = click.argument(
    "file", required=False, type=click.Path(dir_okay=False, exists=True, path_type=Path)
)


@click.command("run", short_help="Run a grid of cells, one record each.")
@FILE
@with_options([*REQUEST, *WHERE, *ELSEWHERE])
@click.option("-y", "--yes", is_flag=True, help="Download and prepare named datasets that are not "
              "there, without asking.")  # fmt: skip
def run_command(file: Path | None, yes: bool, **options: Any) -> int:
    """Run a grid of cells: datasets x tokenizers x policies x generators x seeds.

    FILE is a grid as a file, such as benchmarks/figure4.toml: options given beside it replace its
    fields. Cells share every stage whose inputs are equal, and a cell that has a record is not run
    again.
    """
    from tokbench.cli.callbacks import printing
    from tokbench.pipeline.grid import run_cells
    from tokbench.report.board import terminal_tables
    from tokbench.report.result_set import ResultSet

    jobs, threads = options.pop("jobs"), options.pop("threads")
    named = checked_executor(options)
    make_ready(options["datasets"], yes=yes)
    cells, context, registry = prepared(file, options)
    executor = make_executor(named, cells, context, registry, jobs=jobs, threads=threads)
    try:
        with printing(jobs if executor is None else max(jobs, 2)) as callbacks:
            records = run_cells(
                cells, context, registry, callbacks=callbacks, jobs=jobs, threads=threads,
                executor=executor,
            )  # fmt: skip
    except KeyboardInterrupt:
        say(f"interrupted: finished stages are kept, resume with:\n  {context.command}", err=True)
        return 130
    show(terminal_tables(ResultSet(records)))
    failed = [record for record in records if record.status == "failed"]
    for error, count in Counter(record.error for record in failed).items():
        first = next(record.spec for record in failed if record.error == error)
        cell = f"{first.tokenizer.label}/{first.collision_policy}/{first.generator.label}"
        more = f" and {count - 1} more" if count > 1 else ""
        say(f"failed: {cell}{more}: {error}", err=True)
    if failed:
        say(f"{len(failed)} of {len(records)} cells failed; once mended, resume with:\n"
            f"  {context.command}", err=True)  # fmt: skip
    return 1 if failed else 0


@click.command("plan", short_help="Say what a run would do.")
@FILE
@with_options([*REQUEST, *WHERE])
@FORMAT
def plan_command(file: Path | None, form: str, **options: Any) -> None:
    """Say what a run of FILE or of these options would do, and which stages are already there."""
    from tokbench.cli.screen import screen
    from tokbench.pipeline.plan import plan_cells
    from tokbench.pipeline.stages import STORED
    from tokbench.report.tables import Column, Table

    for name in ("jobs", "threads"):  # so that `plan` takes the words of `run`
        del options[name]
    wanted, context, _ = prepared(file, options)
    cells = plan_cells(wanted, context)
    stages = [stage.name for stage in STORED]
    heads = ("dataset", "tokenizer", "policy", "generator", "seed", *stages, "record")
    rows = []
    for cell in cells:
        spec = cell.spec
        marks = ["ready" if stage in cell.ready else "to do" if stage in cell.stages else "-"
                 for stage in stages]  # fmt: skip
        rows.append((spec.dataset.label, spec.tokenizer.label, spec.collision_policy,
                     spec.generator.label, spec.seeds, *marks,
                     "there" if cell.recorded else "to do"))  # fmt: skip
    show([Table("", tuple(map(Column, heads)), tuple(rows))], form)
    if form != "terminal":
        return
    console = screen()
    for label, text in {cell.spec.dataset.label: cell.example for cell in cells}.items():
        console.print(f"{label}, first item's text: {text}", markup=False, highlight=False)
    missing = sum(not cell.recorded for cell in cells)
    console.print(f"{len(cells)} cells, {missing} to run, profile {wanted[0].spec.profile}")
    if wanted[0].spec.profile == "quick":
        from tokbench.cli.quick import expected_seconds, said

        console.print(said(expected_seconds(cells)))


def checked_executor(options: dict[str, Any]) -> dict[str, Any]:
    """Take the options of the executor out of a command's, refusing those of another one."""
    named = {name: options.pop(name) for name in ("executor", "address", "gpu_share", "slurm")}
    if named["address"] and named["executor"] != "ray":
        raise click.UsageError("--address is for --executor ray")
    if named["slurm"] and named["executor"] != "slurm":
        raise click.UsageError("--slurm is for --executor slurm")
    pairs = dict(pair.partition("=")[::2] for pair in named["slurm"])
    if not all(pairs.values()):
        raise click.UsageError("--slurm takes OPTION=VALUE, as in partition=gpu")
    if not pairs.get("time", "1").isdecimal():
        raise click.UsageError(f"--slurm time={pairs['time']}: write minutes")
    return named | {"slurm": pairs}


def make_executor(
    named: dict[str, Any], cells: Sequence[Cell], context: RunContext, registry: Registry, *,
    jobs: int, threads: int,
) -> Executor | None:  # fmt: skip
    """The executor that was named; None is this machine's own."""
    if named["executor"] == "local":
        return None
    from tokbench.pipeline.grid import metrics_of
    from tokbench.pipeline.processes import check_sendable

    check_sendable(cells)
    if named["executor"] == "ray":
        from tokbench.pipeline.ray_executor import RayExecutor

        return RayExecutor(context, metrics_of(registry), address=named["address"], jobs=jobs,
                           threads=threads, gpu_share=named["gpu_share"])  # fmt: skip
    from tokbench.pipeline.slurm_executor import SlurmExecutor

    return SlurmExecutor(
        context, metrics_of(registry), jobs=jobs, threads=threads, options=named["slurm"]
    )


def prepared(file: Path | None, options: dict[str, Any]) -> tuple[list[Cell], RunContext, Registry]:
    """Options to cells, the context to run them in and the components at hand."""
    from tokbench.cli.progress import progress
    from tokbench.pipeline.context import RunContext, default_cache
    from tokbench.pipeline.devices import find_device
    from tokbench.registry.isolated.client import Limits
    from tokbench.registry.isolated.isolated import isolated_registry

    registry = isolated_registry(options.pop("plugins"))
    context = RunContext(
        results=options.pop("results"),
        cache=options.pop("cache") or default_cache(),
        shared=options.pop("shared"),
        device=find_device(options.pop("device")),
        progress=progress(),
        limits=Limits(options.pop("cell_seconds"), options.pop("cell_memory") * 1000),
        command=shlex.join(["tokbench", *sys.argv[1:]]),
    )
    cells = cells_of(file, request_fields(options, file), registry, context.device)
    return cells, context, registry

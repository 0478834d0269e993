"""What a task of a grid costs beyond its work, on one machine: `python -m benchmarks.scale.tasks`.

A grid of cells whose stages take milliseconds (random codes, the popularity baseline, the toy
catalogue) under each executor, from an empty store. Writes tasks.json and tasks.md beside itself.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

import click

from tokbench.pipeline.context import Callbacks, RunContext
from tokbench.pipeline.executor import Executor
from tokbench.pipeline.grid import metrics_of, run_cells
from tokbench.pipeline.resolve import make_request, resolve
from tokbench.registry.isolated.isolated import isolated_registry
from tokbench.schema.record import Cost
from tokbench.schema.run_spec import RunSpec

HERE = Path(__file__).parent
WORKERS = (1, 2, 4, 8)  # logical ones, however many cores there are


def measure(name: str, cells_wanted: int, cpus: int) -> dict[str, object]:
    """Seconds of one grid, and of a task of it. `cpus`: processes, or logical CPUs of Ray."""
    registry = isolated_registry()
    request = make_request(
        datasets="toy", tokenizers="random", generators="popularity", encoder="tfidf",
        profile="toy", seeds=tuple(range(cells_wanted)), baselines=False,
    )  # fmt: skip
    built: list[str] = []

    def count(spec: RunSpec, stage: str, cost: Cost) -> None:
        if not cost.reused:
            built.append(stage)

    with tempfile.TemporaryDirectory() as scratch:
        context = RunContext(Path(scratch) / "results", Path(scratch) / "cache")
        cells = resolve(request, registry, "cpu")
        executor: Executor | None = None
        if name == "ray":
            import ray

            from tokbench.pipeline.ray_executor import RayExecutor

            ray.init(num_cpus=cpus, log_to_driver=False, include_dashboard=False,
                     logging_level="ERROR")  # fmt: skip
            executor = RayExecutor(context, metrics_of(registry))
            warm = resolve(request, registry, "cpu")[:1]
            run_cells(warm, RunContext(Path(scratch) / "w", Path(scratch) / "v"), registry)
        start = time.perf_counter()
        records = run_cells(
            cells, context, registry, callbacks=Callbacks(stage_done=count), executor=executor,
            jobs=cpus if name == "local" else 1,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        if name == "ray":
            ray.shutdown()
    assert all(record.status == "done" for record in records)
    tasks = len(built) + len(records)  # the stages that were built, and a score per cell
    each = round(1000 * seconds / tasks, 1)
    return {"executor": name, "workers": cpus, "cells": len(records), "tasks": tasks,
            "seconds": round(seconds, 2), "ms a task": each}  # fmt: skip


@click.command()
@click.option("--cells", default=200, show_default=True)
def main(cells: int) -> None:
    """Measure and write."""
    rows = [measure("local", cells, jobs) for jobs in (1, 2)]
    try:
        import ray  # noqa: F401

        rows += [measure("ray", cells, cpus) for cpus in WORKERS]
    except ImportError:
        click.echo("without ray: pip install 'tokbench[ray]'", err=True)
    heads = list(rows[0])
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(str(row[head]) for head in heads) + " |" for row in rows]
    text = (
        f"# What a task costs\n\n{(__doc__ or '').partition('`.')[2].strip()}\n\n"
        f"On a machine of {os.cpu_count()} cores, two other computations beside it; the start of "
        "worker processes is included, that of Ray itself is not.\n\n" + "\n".join(lines)
    )
    (HERE / "tasks.md").write_text(text + "\n", encoding="utf-8")
    (HERE / "tasks.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    click.echo("\n".join(lines))


if __name__ == "__main__":
    main()

"""A request becomes cells, each cell a record. Only pipeline/ touches registry, store and clock."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tokbench.api import Metric
from tokbench.pipeline.cell import Cell, DataCache
from tokbench.pipeline.context import Callbacks, RunContext, default_cache
from tokbench.pipeline.devices import check_precision, find_device
from tokbench.pipeline.environment import describe, threads_of
from tokbench.pipeline.executor import Executor, Failed, LocalExecutor, Scored, Worker
from tokbench.pipeline.resolve import Protocol, Request, make_request, resolve
from tokbench.pipeline.schedule import Schedule
from tokbench.pipeline.shared_store import SharedStore, open_store
from tokbench.registry.isolated.client import use_limits
from tokbench.registry.isolated.isolated import isolated_registry, settle_anywhere
from tokbench.registry.registry import Registry
from tokbench.schema.record import (
    Cost,
    Provenance,
    Record,
    check_writable,
    find_record,
    write_record,
)

Names = str | Sequence[str]
Seeds = int | Sequence[int]


def run_grid(
    request: Request,
    context: RunContext,
    *,
    registry: Registry | None = None,
    callbacks: Callbacks | None = None,
    jobs: int = 1,
    threads: int = 1,
) -> list[Record]:
    """`run_cells` for every cell of a request."""
    registry = registry or isolated_registry()
    cells = resolve(request, registry, context.device)
    return run_cells(cells, context, registry, callbacks=callbacks, jobs=jobs, threads=threads)


def run_cells(
    cells: Sequence[Cell],
    context: RunContext,
    registry: Registry,
    *,
    callbacks: Callbacks | None = None,
    jobs: int = 1,
    threads: int = 1,
    executor: Executor | None = None,
) -> list[Record]:
    """Run every cell that has no record yet; return the records of all of them, in their order.

    Baselines that need times are left out where a dataset has none (`DataCache.served`).
    A cell that fails becomes a failed record and the grid goes on; errors in a dataset's files are
    raised before any cell starts. With `jobs` above 1 so many processes work at once, each with
    `threads` threads. The numbers are those of a run in one process with as many threads: sums over
    threads round differently, so one thread is the default and another count is named in the record
    and on the board. `executor` does the tasks somewhere else; it is closed at the end.
    """
    callbacks = callbacks or Callbacks()
    for cell in cells:
        check_precision(cell.spec.precision, context.device)
    use_limits(context.limits)
    data = DataCache(context.runtime())
    cells = data.served(cells)  # a fault in a file shows before anything runs
    store, records = open_store(context), dict[str, Record]()
    for cell in cells:
        record = find_record(context.results, cell.spec)
        if record is None and isinstance(store, SharedStore):
            record = store.fetch_record(cell.spec.run_id, context.results)
        if record is not None:
            records[record.run_id] = record
            callbacks.cell_done(record, None)
    missing = [cell for cell in cells if cell.spec.run_id not in records]

    def started(cell: Cell) -> None:
        number = next(n for n, other in enumerate(cells, 1) if other is cell)
        callbacks.cell_started(number, len(cells), cell.spec)

    def finish(cell: Cell, costs: dict[str, Cost], result: Scored | Failed) -> None:
        record = records[cell.spec.run_id] = make_record(cell, context, costs, result)
        path = write_record(record, context.results)
        if isinstance(store, SharedStore):
            store.share(record)
        callbacks.cell_done(record, path)
        for reason in result.left_out if isinstance(result, Scored) else ():
            callbacks.noted(cell.spec, f"left out: {reason}")

    executor = executor or _executor(missing, context, registry, data, jobs=jobs, threads=threads)
    try:
        check_writable(context.results)
        store.sweep()
        with threads_of(threads):  # of this process, where it does the tasks itself
            schedule = Schedule(missing, data, store, executor, started, finish, callbacks)
            schedule.run()
    finally:
        executor.close()
    return [records[cell.spec.run_id] for cell in cells]


def _executor(
    cells: Sequence[Cell],
    context: RunContext,
    registry: Registry,
    data: DataCache,
    *,
    jobs: int,
    threads: int,
) -> Executor:
    """One job works in this process, several in processes of their own."""
    metrics = metrics_of(registry)
    if jobs == 1:
        return LocalExecutor(Worker(context, metrics, data))
    from tokbench.pipeline.processes import ProcessExecutor, check_sendable

    check_sendable(cells)
    return ProcessExecutor(context, metrics, jobs=jobs, threads=threads)


def metrics_of(registry: Registry) -> list[Metric]:
    """Every registered metric."""
    metrics = [
        settle_anywhere(entry, "paper", "", {}).component for entry in registry.all("metric")
    ]
    return [metric for metric in metrics if isinstance(metric, Metric)]


def make_record(
    cell: Cell, context: RunContext, costs: dict[str, Cost], result: Scored | Failed
) -> Record:
    """The record of a cell that was scored, or that failed."""
    scored = result if isinstance(result, Scored) else None
    return Record(
        run_id=cell.spec.run_id,
        status="done" if scored else "failed",
        spec=cell.spec,
        outcome=scored.outcome if scored else None,
        error=result.error if isinstance(result, Failed) else None,
        provenance=Provenance(
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            command=context.command,
            costs=costs,
            environment=scored.environment if scored else describe(context.device),
            public=cell.public,
            tuned=cell.tuned or None,
        ),
    ).sealed()


def run(
    *,
    datasets: Names,
    tokenizers: Names,
    generators: Names = (),
    encoder: str = "sentence-transformers",
    seeds: Seeds = (0,),
    tokenizer_seeds: Seeds = (),
    generator_seeds: Seeds = (),
    profile: Literal["paper", "quick", "toy"] = "paper",
    protocol: Protocol = "leave-one-out",
    collision_policies: Names = ("nearest-free",),
    beam_width: int = 100,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    baselines: bool = True,
    overrides: Names = (),
    tuned: Names = (),
    results: str | Path = "results",
    cache: str | Path | None = None,
    store: str = "",
    device: str = "auto",
    jobs: int = 1,
    threads: int = 1,
    plugins: Sequence[str | Path] = (),
) -> list[Record]:
    """Run a grid from Python, as `tokbench run` does, and return its records.

        tokbench.run(tokenizers="cost", datasets="toy", encoder="tfidf", profile="toy")

    One name may stand for a sequence of one. The cells are datasets x tokenizers x collision
    policies x generators x seeds; one that has a record under `results` is not run again.

    Args:
        datasets: registered names, or folders with items.jsonl and sequences.jsonl.
        tokenizers: NAME or NAME:PRESET each, as `tokbench list tokenizers` shows them.
        generators: NAME or NAME:PRESET each; none is tiger, or rq-transformer for profile quick.
        encoder: the text encoder; the default is the paper's sentence-t5-base.
        seeds: each for tokenizer and generator alike.
        tokenizer_seeds: seeds of the tokenizer alone, crossed with those of the generator.
        generator_seeds: seeds of the generator alone.
        profile: the sizes to run at.
        protocol: how test items are held out.
        collision_policies: what becomes of items with one tuple, see scoring/collisions.py.
        beam_width: code tuples that a generator proposes, 1 to 1000.
        precision: of the generator's products; "auto" is bfloat16 on a GPU, float32 on a CPU.
        baselines: also run the baselines, over item ids.
        overrides: options as "tokenizer.temperature=0.5", as `--set` takes them.
        tuned: files of `tokbench tune`, whose best settings are used.
        results: folder of the records.
        cache: folder of artifacts and downloads; None is TOKBENCH_CACHE, or the user's cache.
        store: the fsspec address of a store that other machines use too, as s3://bucket/prefix.
        device: cpu, cuda, cuda:K, or "auto": a GPU where there is one. Several jobs on cuda are
            spread over the cards.
        jobs: processes to work in; above 1 a script must make this call below
            `if __name__ == "__main__":`.
        threads: CPU threads of each job; another count than one rounds, and so trains, otherwise,
            and is named in the record and on the board.
        plugins: single plugin files to load.

    Raises:
        ConfigError: for a value that is not allowed.
        UnknownComponentError: for a name that nobody registered.
        DatasetError: for a file that is missing or wrong.
        WorkerError: where a process cannot be started.
    """
    request = make_request(
        datasets=datasets,
        tokenizers=tokenizers,
        generators=generators,
        encoder=encoder,
        seeds=seeds,
        tokenizer_seeds=tokenizer_seeds,
        generator_seeds=generator_seeds,
        profile=profile,
        protocol=protocol,
        collision_policies=collision_policies,
        beam_width=beam_width,
        precision=precision,
        baselines=baselines,
        overrides=overrides,
        tuned=tuned,
    )
    folder = default_cache() if cache is None else Path(cache)
    context = RunContext(
        Path(results), folder, find_device(device), command="tokbench.run", shared=store
    )
    registry = isolated_registry([Path(plugin) for plugin in plugins])
    return run_grid(request, context, registry=registry, jobs=jobs, threads=threads)

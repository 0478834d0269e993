"""What a row costs: seconds of every stage, users and sequences a second, memory, parameters."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from tokbench.report.result_set import ResultSet
from tokbench.report.tables import METHOD, Column, Entry, Table
from tokbench.schema.record import Record

NOTE = (
    "Means over seeds. Seconds are those of the run that built the stage. users/s: test users by "
    "seconds of generation; sequences/s: training sequences times epochs by seconds of training, "
    "validation included. Memory: the highest of the process so far on the host, of the stage on "
    "the device. Rows of different hardware are not comparable."
)
SHOWN = 0.05  # seconds; a stage that never took as long has no column
MEANS = {
    "users/s": "users_per_second", "sequences/s": "sequences_per_second", "host MB": "host_mb",
    "device MB": "device_mb", "tokenizer parameters": "tokenizer_parameters",
    "generator parameters": "generator_parameters", "tokens per item": "tokens_per_item",
}  # fmt: skip


def tables(results: ResultSet) -> list[Table]:
    """A table per board, a row per method."""
    found = []
    for board in results.boards:
        runs = [record for row in board.rows for record in row.runs]
        costs = [item for one in runs for item in one.provenance.costs.items()]
        stages = list(dict.fromkeys(stage for stage, cost in costs if cost.seconds >= SHOWN))
        if board.rows:
            rows = tuple((*row.method, *_entries(row.runs, stages)) for row in board.rows)
            found.append(Table(str(board.title), columns(stages), rows, NOTE))
    return found


def columns(stages: Sequence[str]) -> tuple[Column, ...]:
    """A column per stage, in the order in which they ran."""
    seconds = (Column(f"{stage} s", "figure") for stage in stages)
    counts = (Column(head, "count") for head in MEANS)
    return (*METHOD, *seconds, *counts, Column("hardware"))


def costs_of(record: Record) -> dict[str, float]:
    """What is known of a done record's costs: STAGE_seconds, users_per_second,
    sequences_per_second, host_mb, device_mb, and the record's sizes."""
    outcome, costs = record.outcome, record.provenance.costs
    assert outcome is not None
    found = {f"{stage}_seconds": cost.seconds for stage, cost in costs.items()}
    found |= {name: float(value) for name, value in (outcome.sizes or {}).items()}
    found["tokens_per_item"] = float(len(outcome.level_sizes))
    found["host_mb"] = max((cost.peak_memory_mb for cost in costs.values()), default=0.0)
    device = [cost.device_memory_mb for cost in costs.values() if cost.device_memory_mb is not None]
    if device:
        found["device_mb"] = max(device)
    if found.get("generate_seconds"):
        found["users_per_second"] = outcome.users / found["generate_seconds"]
    epochs = max((row.get("epoch", 0.0) for row in outcome.curves.get("train", [])), default=0.0)
    if epochs and found.get("train_seconds") and "training_sequences" in found:
        found["sequences_per_second"] = (
            epochs * found["training_sequences"] / found["train_seconds"]
        )
    return found


def _entries(records: Sequence[Record], stages: Sequence[str]) -> tuple[Entry, ...]:
    each = [costs_of(record) for record in records]

    def mean(name: str) -> float | None:
        values = [costs[name] for costs in each if name in costs]
        return fmean(values) if values else None

    seconds = (mean(f"{stage}_seconds") for stage in stages)
    hardware = sorted({record.provenance.environment.get("device", "") for record in records})
    return (
        *(None if value is None else round(value, 1) for value in seconds),
        *(mean(name) for name in MEANS.values()),
        ", ".join(hardware),
    )

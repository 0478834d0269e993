"""What a row costs, and where its decoding fails: two more sheets from the records."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from tokbench.report.board import finished, tables, title_of
from tokbench.report.sheet import Cell, Sheet
from tokbench.schema.record import Outcome, Record

COST_WORDS = (
    "Means over seeds. Seconds are those of the run that built the stage. users/s: test users by "
    "seconds of generation; sequences/s: training sequences times epochs by seconds of training, "
    "validation included. Memory: the highest of the process so far on the host, of the stage on "
    "the device. Rows of different hardware are not comparable."
)
DECODING_WORDS = (
    "survival: share of users of whom some final beam shares the target's first codes; what it "
    "loses from one level to the next went wrong there. found@k: share of the k best tuples of an "
    "exhaustive search that the beam's first k hold; Recall@10 by either search; all three on the "
    "same sample of users, where the generator can score all tuples and the catalogue is small."
)


def cost_sheets(records: Sequence[Record]) -> list[Sheet]:
    """A sheet per board, a row per method."""
    sheets = []
    for table in tables(records):
        done = finished(table)
        each = [record.provenance.costs for group in done.values() for record in group]
        stages = list(dict.fromkeys(stage for costs in each for stage in costs))  # in their order
        heads = ("tokenizer", "policy", "generator", *(f"{stage} s" for stage in stages),
                 "users/s", "sequences/s", "host MB", "device MB", "tokenizer parameters",
                 "generator parameters", "tokens per item", "hardware")  # fmt: skip
        rows = tuple((*method, *_cost_cells(group, stages)) for method, group in done.items())
        sheets.append(Sheet(str(title_of(table)), heads, rows, COST_WORDS))
    return sheets


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


def _cost_cells(records: Sequence[Record], stages: Sequence[str]) -> tuple[Cell, ...]:
    each = [costs_of(record) for record in records]

    def mean(name: str, digits: int | None = None) -> Cell:
        values = [costs[name] for costs in each if name in costs]
        return round(fmean(values), digits) if values else None

    hardware = sorted({record.provenance.environment.get("device", "") for record in records})
    return (
        *(mean(f"{stage}_seconds", 1) for stage in stages),
        mean("users_per_second"), mean("sequences_per_second"), mean("host_mb"), mean("device_mb"),
        mean("tokenizer_parameters"), mean("generator_parameters"), mean("tokens_per_item"),
        ", ".join(hardware),
    )  # fmt: skip


def decoding_sheets(records: Sequence[Record]) -> list[Sheet]:
    """A sheet per board that has such figures, a row per method."""
    sheets = []
    for table in tables(records):
        done = {method: [record.outcome for record in group if record.outcome is not None]
                for method, group in finished(table).items()}  # fmt: skip
        done = {method: outcomes for method, outcomes in done.items() if _names(outcomes)}
        names = sorted({name for outcomes in done.values() for name in _names(outcomes)}, key=_rank)
        rows = [
            (*method, *(_mean(outcomes, name) for name in names))
            for method, outcomes in done.items()
        ]
        heads = tuple(name.removeprefix("decoding/") for name in names)
        if rows:
            title = str(title_of(table))
            columns = ("tokenizer", "policy", "generator", *heads)
            sheets.append(Sheet(title, columns, tuple(rows), DECODING_WORDS))
    return sheets


def _names(outcomes: Sequence[Outcome]) -> set[str]:
    return {name for o in outcomes for name in o.figures if name.startswith("decoding/")}


def _rank(name: str) -> tuple[bool, str]:
    return not name.startswith("decoding/survival"), name


def _mean(outcomes: Sequence[Outcome], name: str) -> Cell:
    values = [o.figures[name].value for o in outcomes if name in o.figures]
    return fmean(values) if values else None

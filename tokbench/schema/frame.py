"""Records as a table of pandas: for plots, notebooks and questions that no report asks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tokbench.schema.record import Record, no_records, read_record, read_records
from tokbench.schema.run_spec import is_baseline

if TYPE_CHECKING:
    import pandas as pd


def load_results(results: str | Path | Iterable[Record] = "results") -> pd.DataFrame:
    """A DataFrame of records, one row each, failed ones too.

        tokbench.load_results("results").groupby(["dataset", "method"])["recall@10"].mean()

    The first columns say what was run (`run_id`, `status`, `dataset`, `method`, `policy`,
    `generator`, `encoder`, `profile`, `protocol`, `beam_width`, `tokenizer_seed`,
    `generator_seed`, `baseline`), on what (`users`, `items`, `interactions`), at what cost
    (`seconds`, building every stage once), when (`created`), and the `error` of a failed one. Then
    comes a column for every figure, such as `recall@10`: its mean over users, with the 95 %
    interval over users in `recall@10 low` and `recall@10 high`. What a record lacks is missing.

    The interval covers no training runs: whether two methods differ, `tokbench compare` says.

    Args:
        results: a folder of records, the file of one, or records such as `tokbench.run` returns.

    Raises:
        RecordError: where nothing is there, or a file is no record.
    """
    import pandas as pd

    if isinstance(results, (str, Path)):
        results = _read(Path(results))
    return pd.DataFrame([_row(record) for record in results])


def _read(path: Path) -> list[Record]:
    if path.is_file():
        return [read_record(path)]
    records = read_records(path)
    if not records:
        raise no_records(path)
    return records


def _row(record: Record) -> dict[str, object]:
    spec, outcome = record.spec, record.outcome
    tokenizer, generator = spec.tokenizer, spec.generator
    row: dict[str, object] = {
        "run_id": record.run_id,
        "status": record.status,
        "dataset": spec.dataset.label,
        "method": tokenizer.label,
        "policy": spec.collision_policy,
        "generator": generator.label,
        "encoder": spec.encoder.label,
        "profile": spec.profile,
        "protocol": spec.protocol,
        "beam_width": spec.beam_width,
        "tokenizer_seed": spec.tokenizer_seed,
        "generator_seed": spec.generator_seed,
        "baseline": is_baseline(tokenizer.name, generator.name),
        "users": outcome and outcome.users,
        "items": outcome and outcome.items,
        "interactions": outcome and outcome.interactions,
        "seconds": sum(cost.seconds for cost in record.provenance.costs.values()),
        "created": record.provenance.created,
        "error": record.error,
    }
    for name, figure in (outcome.figures if outcome else {}).items():
        row[name] = figure.value
        if figure.low is not None:
            row[f"{name} low"], row[f"{name} high"] = figure.low, figure.high
    return row

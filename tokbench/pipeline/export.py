"""From a record to the code table of its run.

A record holds the codes that items were generated under, after the collision policy, in the
dataset's item order, but not the item ids: those are the dataset's, which has to be at hand and to
be the very one of the run.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from tokbench.api import DatasetSource
from tokbench.errors import DatasetError, RecordError, listed
from tokbench.ids.code_table import CodeTable
from tokbench.pipeline.resolve import find_dataset
from tokbench.registry.registry import Registry
from tokbench.schema.record import Record, read_record
from tokbench.types import Dataset

_FILE = re.compile(r"_([0-9a-f]{12})\.json")


def find_run(run: str, results: Path) -> Record:
    """The record in the file `run`, or the one under `results` whose run id begins with it.

    Raises RecordError when there is none, or more than one.
    """
    if Path(run).is_file():
        return read_record(Path(run))
    found = {
        match[1]: path
        for path in sorted(results.rglob("*.json"))
        if (match := _FILE.search(path.name)) and match[1].startswith(run.lower())
    }
    if len(found) == 1:
        return read_record(next(iter(found.values())))
    if found:
        raise RecordError(
            f"run id {run!r} is short for {listed(list(found))}: give more of its digits"
        )
    raise RecordError(
        f"{run!r} is neither a record file nor the beginning of a run id in {results}/"
    )


def source_of(record: Record, registry: Registry, name: str | None = None) -> DatasetSource:
    """The dataset of a run with the options it had there: `name`, else what the record names.

    Raises UnknownComponentError when nothing of that name is at hand.
    """
    options = {f"dataset.{k}={json.dumps(v)}" for k, v in record.spec.dataset.config.items()}
    return find_dataset(name or record.spec.dataset.name, registry, sorted(options))


def table_of(record: Record, dataset: Dataset) -> CodeTable:
    """The codes of a run by item id. Raises RecordError for a failed run, DatasetError when
    `dataset` is not what the run was made on."""
    if record.outcome is None:
        raise RecordError(f"run {record.run_id} failed, it has no codes: {record.error}")
    made_on, found = record.outcome.digests["dataset"], dataset.digest()
    if made_on != found:
        raise DatasetError(
            f"dataset {dataset.name!r} is not the one that run {record.run_id} was made on "
            f"({record.spec.dataset.label!r}): content digest {found[:12]}, the record has "
            f"{made_on[:12]}",
            remedy="name the folder of that dataset with --dataset",
        )
    return CodeTable(dataset.item_ids, record.outcome.read_ids())

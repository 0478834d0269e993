"""All results of a report, built once from records: boards, and the rows in them.

A board holds records of one dataset, protocol, profile and encoder: rows of different profiles or
protocols never stand in one table. A row averages the per-user outcomes of its seeds; its interval
is a bootstrap over users of that average, widened by run-to-run variance where any row of the board
was run twice; `spread` is the range over seeds; rows of one group are not significantly different.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from tokbench.errors import RecordError
from tokbench.report.difference import Difference, adjusted
from tokbench.report.outcomes import HEADLINE, Family, Outcomes
from tokbench.report.random_codes import random_duplicates
from tokbench.report.rows import Method, Row, make_row, method_of, remarks
from tokbench.schema.record import Record, read_records
from tokbench.stats.groups import letters


@dataclass(frozen=True)
class Title:
    """What all rows of a board have in common."""

    dataset: str
    protocol: str
    profile: str
    encoder: str
    beam_width: int
    dataset_digest: str

    def __str__(self) -> str:
        return f"{self.dataset} · {self.setting} · data {self.dataset_digest[:8]}"

    @property
    def setting(self) -> str:
        """All but the data."""
        return (
            f"{self.protocol} · profile {self.profile} · encoder {self.encoder} "
            f"· beam {self.beam_width}"
        )


@dataclass(frozen=True, eq=False)
class Board:
    """Rows by falling Recall@10, and the records behind them, those of failed cells included."""

    title: Title
    rows: tuple[Row, ...]
    records: tuple[Record, ...] = ()
    family: Family = field(default_factory=lambda: Family(()))  # of the rows, in their order

    @property
    def failed(self) -> list[Record]:
        """The cells without an outcome, by method and seed."""
        failed = [record for record in self.records if record.error is not None]
        return sorted(failed, key=lambda one: (*method_of(one), one.spec.seeds))

    @property
    def superseded(self) -> int:
        """How many completed records of earlier code are left out."""
        done = sum(record.status == "done" for record in self.records)
        return done - sum(len(row.runs) for row in self.rows)

    @cached_property
    def random_duplicates(self) -> tuple[tuple[str, float], ...]:
        """What duplicate rates are to be read against: see report/random_codes.py."""
        return random_duplicates(self.records)

    @cached_property
    def pairs(self) -> dict[tuple[int, int], Difference]:
        """Recall@10 of every row minus that of every other one, p adjusted over all pairs; empty
        where the rows were not tested on the same users."""
        return adjusted_pairs(self.family)

    def outcomes(self, row: Row) -> Outcomes:
        """Of the users, under every figure."""
        return self.family.methods[self.rows.index(row)]

    def difference(self, a: Row, b: Row, figure: str) -> Difference:
        """a - b; p for this pair alone."""
        return self.family.difference(self.rows.index(a), self.rows.index(b), figure)


class ResultSet:
    """Records, and what follows from them, each thing made once and when it is asked for."""

    def __init__(self, records: Sequence[Record], boards: Sequence[Board] | None = None) -> None:
        self.records = tuple(records)
        self._boards = boards

    @classmethod
    def read(cls, folder: Path, datasets: Sequence[str] = ()) -> ResultSet:
        """The records under `folder`, or those of some datasets. Raises RecordError for none."""
        found = cls(read_records(folder)).of(datasets) if datasets else cls(read_records(folder))
        if not found.records:
            named = f" for {', '.join(datasets)}" if datasets else ""
            raise RecordError(
                f"no records under {folder}/{named}; make some with `tokbench run`, or name the "
                "folder that has them"
            )
        return found

    def of(self, datasets: Sequence[str]) -> ResultSet:
        """The results on datasets of these names or labels."""
        wanted = {*datasets}
        return ResultSet([
            record for record in self.records
            if wanted & {record.spec.dataset.name, record.spec.dataset.label}
        ])  # fmt: skip

    @cached_property
    def boards(self) -> tuple[Board, ...]:
        """Every board that the records allow, in a fixed order; or those that were given."""
        if self._boards is not None:
            return tuple(self._boards)
        found: dict[tuple[object, ...], list[Record]] = {}
        for record in self.records:
            spec = record.spec
            key = (spec.dataset.name, spec.protocol, spec.profile, spec.encoder.label,
                   spec.beam_width, tuple(sorted(spec.dataset.inputs.items())),
                   str(spec.dataset.config))  # fmt: skip
            found.setdefault(key, []).append(record)
        return tuple(_board(found[key]) for key in sorted(found, key=str))


def adjusted_pairs(family: Family) -> dict[tuple[int, int], Difference]:
    """(i, j) -> method i minus method j in Recall@10, for both orders."""
    pairs = family.differences(HEADLINE)
    both = dict(zip(pairs, adjusted(list(pairs.values())), strict=True)) if pairs else {}
    return both | {(j, i): -difference for (i, j), difference in both.items()}


def _board(records: Sequence[Record]) -> Board:
    methods: dict[Method, list[Record]] = {}
    for record in records:
        if record.status == "done":
            methods.setdefault(method_of(record), []).append(record)
    runs = {method: _of_latest_code(group) for method, group in methods.items()}
    outcomes = {method: Outcomes.of(group) for method, group in runs.items()}
    order = sorted(outcomes, key=lambda method: (-outcomes[method].mean(HEADLINE), method))
    family = Family([outcomes[method] for method in order])
    rows = [make_row(runs[method], family, n) for n, method in enumerate(order)]
    said = zip(rows, remarks(rows), _groups(family), strict=True)
    marked = [replace(row, remark=remark, group=group) for row, remark, group in said]
    return Board(_title(records), tuple(marked), tuple(records), family)


def _of_latest_code(records: Sequence[Record]) -> list[Record]:
    """Seeds run with other versions of a component are other experiments: those stay that were
    made with the code of the newest record."""
    latest = _code_of(max(records, key=lambda record: record.provenance.created))
    return [record for record in records if _code_of(record) == latest]


def _code_of(record: Record) -> tuple[str, ...]:
    spec = record.spec
    return spec.encoder.fingerprint, spec.tokenizer.fingerprint, spec.generator.fingerprint


def _title(records: Sequence[Record]) -> Title:
    spec = records[0].spec
    digests = {r.outcome.digests["dataset"] for r in records if r.outcome is not None}
    return Title(
        spec.dataset.label,
        spec.protocol,
        spec.profile,
        spec.encoder.label,
        spec.beam_width,
        min(digests, default="none"),
    )


def _groups(family: Family) -> list[str]:
    """The letters of each method: a compact letter display of the significant pairs."""
    methods = len(family.methods)
    if methods == 0 or not family.same_users:
        return [""] * methods  # nothing to pair
    differ = np.zeros((methods, methods), dtype=bool)
    for (i, j), difference in adjusted_pairs(family).items():
        differ[i, j] = i < j and difference.significant
    return letters(differ)

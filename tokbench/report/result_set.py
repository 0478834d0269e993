"""All results of a report, built once from records: boards, and the rows in them.

A board holds records of one dataset, protocol, profile, encoder and precision: rows of different
profiles, protocols or precisions never stand in one table. A row averages the per-user outcomes of
its seeds; its interval covers users and, where a row of its family was run twice, training runs;
`spread` is the range over seeds; rows of one group are not significantly different.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from tokbench.errors import RecordError
from tokbench.report.difference import Difference
from tokbench.report.outcomes import HEADLINE, Methods, Outcomes
from tokbench.report.random_codes import random_duplicates
from tokbench.report.rows import Method, Row, make_row, method_of, remarks
from tokbench.schema.record import Record, no_records, read_records
from tokbench.schema.run_spec import PROTOCOLS
from tokbench.stats.estimate import Estimate
from tokbench.stats.groups import group_letters
from tokbench.stats.sample import Sample

DIGITS = 12  # beyond which equal rows differ by rounding


@dataclass(frozen=True)
class Title:
    """What all rows of a board have in common."""

    dataset: str
    protocol: str
    profile: str
    encoder: str
    beam_width: int
    dataset_digest: str
    precision: str = "float32"

    def __str__(self) -> str:
        return f"{self.dataset} · {self.setting} · data {self.dataset_digest[:8]}"

    @property
    def setting(self) -> str:
        """All but the data."""
        return (
            f"{self.protocol} · profile {self.profile} · encoder {self.encoder} "
            f"· beam {self.beam_width}"
            f"{'' if self.precision == 'float32' else f' · {self.precision}'}"
        )


@dataclass(frozen=True, eq=False)
class Board:
    """Rows by falling Recall@10, and the records behind them, those of failed cells included."""

    title: Title
    rows: tuple[Row, ...]
    records: tuple[Record, ...] = ()
    methods: Methods = field(default_factory=lambda: Methods(()))  # of the rows, in their order

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
        """Recall@10 of every row minus that of every other one, for all pairs together; empty
        where the rows were not tested on the same users."""
        return self.methods.pairs(HEADLINE)

    def outcomes(self, row: Row) -> Outcomes:
        """Of the users, under every figure."""
        return self.methods.outcomes[self.rows.index(row)]

    def sample(self, row: Row, figure: str) -> Sample:
        """The row in one figure."""
        return self.methods.samples(figure)[self.rows.index(row)]

    def difference(self, a: Row, b: Row, figure: str) -> Estimate:
        """a - b, of this pair alone."""
        return self.methods.difference(self.rows.index(a), self.rows.index(b), figure)


class ResultSet:
    """Records, and what follows from them, each thing made once and when it is asked for."""

    def __init__(self, records: Sequence[Record], boards: Sequence[Board] | None = None) -> None:
        self.records = tuple(records)
        self._boards = boards

    @classmethod
    def read(
        cls,
        folder: Path,
        datasets: Sequence[str] = (),
        skip: Callable[[RecordError], None] | None = None,
    ) -> ResultSet:
        """The records under `folder`, or those of some datasets. Raises RecordError for none, and
        for a file that is no record unless it can be told to `skip`."""
        found = cls(read_records(folder, skip))
        found = found.of(datasets) if datasets else found
        if not found.records:
            named = f" for {', '.join(datasets)}" if datasets else ""
            raise no_records(folder, named)
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
                   spec.beam_width, spec.precision, tuple(sorted(spec.dataset.inputs.items())),
                   str(spec.dataset.config))  # fmt: skip
            found.setdefault(key, []).append(record)
        return tuple(_board(found[key]) for key in sorted(found, key=_order))


def _order(key: tuple[object, ...]) -> tuple[str, int, str]:
    """By dataset, protocols without a leak first."""
    name, protocol = str(key[0]), str(key[1])
    known = PROTOCOLS.index(protocol) if protocol in PROTOCOLS else len(PROTOCOLS)
    return name, known, str(key)


def _board(records: Sequence[Record]) -> Board:
    methods: dict[Method, list[Record]] = {}
    for record in records:
        if record.status == "done":
            methods.setdefault(method_of(record), []).append(record)
    runs = {method: _of_latest_code(group) for method, group in methods.items()}
    outcomes = {method: Outcomes.of(group) for method, group in runs.items()}
    means = {method: round(one.mean(HEADLINE), DIGITS) for method, one in outcomes.items()}
    order = sorted(outcomes, key=lambda method: (-means[method], method))
    made = Methods([outcomes[method] for method in order])
    rows = [make_row(runs[method], made, n) for n, method in enumerate(order)]
    groups = (
        group_letters([*made.samples(HEADLINE).values()]) if made.same_users else [""] * len(rows)
    )
    said = zip(rows, remarks(rows, made), groups, strict=True)
    marked = [replace(row, remark=remark, group=group) for row, remark, group in said]
    return Board(_title(records), tuple(marked), tuple(records), made)


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
        spec.precision,
    )

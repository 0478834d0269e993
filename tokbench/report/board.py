"""Records to boards: one table for what may be compared, seeds of one method in one row.

A board holds records of one dataset, protocol, profile and encoder: rows of different profiles or
protocols never stand in one table. A row averages the per-user outcomes of its seeds; its interval
is a bootstrap over users of that average, widened by what training varies where any row of the
board was run twice; `spread` is the range over seeds; its group says which rows it cannot be told
apart from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tokbench.report.random_line import random_lines
from tokbench.schema.record import Packed, Record
from tokbench.schema.run_spec import RunSpec, is_baseline
from tokbench.scoring.metrics import CUTOFFS, ndcg, recall
from tokbench.stats.bootstrap import bootstrap
from tokbench.stats.groups import rank_groups
from tokbench.stats.run_variance import Training, trained
from tokbench.stats.seeds import sd_by_axis
from tokbench.types import Placement

HEADLINE = "recall@10"
Method = tuple[str, str, str]  # tokenizer, policy, generator: as labelled
FIGURES = tuple(f"{metric}@{k}" for metric in ("recall", "ndcg") for k in CUTOFFS)


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


@dataclass(frozen=True)
class Row:
    """One method: mean figures over seeds, with intervals over users."""

    tokenizer: str
    policy: str
    generator: str
    seeds: int
    users: int
    values: dict[str, float]  # every name of FIGURES, and the code-level headline
    intervals: dict[str, tuple[float, float]]
    spread: dict[str, tuple[float, float]]  # lowest and highest seed
    hits: float  # users whose target is in the top ten, expected, mean over seeds
    duplicate_rate: float  # of the tokenizer, before the collision policy
    validation: tuple[float, ...]  # validation NDCG@10 by evaluation, first seed
    seconds: dict[str, float]  # mean seconds per stage
    remark: str = ""
    public: bool = True
    axes: dict[str, float] = field(default_factory=dict)  # see report/seeds.py
    group: str = ""  # rows that share a letter cannot be told apart on Recall@10

    @property
    def method(self) -> Method:
        """Its key among the methods of a table."""
        return self.tokenizer, self.policy, self.generator

    @property
    def is_baseline(self) -> bool:
        """What a tokenizer has to beat: a baseline's generator over item ids."""
        return is_baseline(self.tokenizer, self.generator)


@dataclass(frozen=True)
class Board:
    """A table: rows by falling Recall@10, then the cells that failed."""

    title: Title
    rows: tuple[Row, ...]
    failed: tuple[tuple[str, str], ...]  # (method, error)
    run_sd: float | None = None  # of Recall@10 from one training run to the next, pooled over rows
    run_df: int = 0  # degrees of freedom behind it
    superseded: int = 0  # records of earlier code, left out
    random_duplicates: tuple[tuple[str, float], ...] = ()  # see report/random_line.py


def make_boards(records: Sequence[Record]) -> list[Board]:
    """Every board that the records allow, in a fixed order."""
    return [_board(table) for table in tables(records)]


def tables(records: Sequence[Record]) -> list[list[Record]]:
    """The records of each board: what differs in data, protocol, profile or beam never mixes."""
    found: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        spec = record.spec
        key = (spec.dataset.name, spec.protocol, spec.profile, spec.encoder.label, spec.beam_width,
               tuple(sorted(spec.dataset.inputs.items())), str(spec.dataset.config))  # fmt: skip
        found.setdefault(key, []).append(record)
    return [found[key] for key in sorted(found, key=str)]


def finished(table: Sequence[Record]) -> dict[Method, list[Record]]:
    """The completed records of each method that has any, of its latest code only.

    Seeds run with other versions of a component are other experiments: of each method those stay
    that were made with the code of its newest record.
    """
    methods: dict[Method, list[Record]] = {}
    for record in table:
        if record.status == "done":
            methods.setdefault(_method(record), []).append(record)
    return {method: _of_latest_code(records) for method, records in methods.items()}


def _of_latest_code(records: Sequence[Record]) -> list[Record]:
    latest = code_of(max(records, key=lambda record: record.provenance.created))
    return [record for record in records if code_of(record) == latest]


def code_of(record: Record) -> tuple[str, ...]:
    """Fingerprints of the components behind a row."""
    spec = record.spec
    return spec.encoder.fingerprint, spec.tokenizer.fingerprint, spec.generator.fingerprint


def _board(records: Sequence[Record]) -> Board:
    done = finished(records)
    training = training_of(done)
    rows = [_row(method, group, training) for method, group in done.items()]
    floor = max(
        (row for row in rows if row.is_baseline),
        key=lambda row: row.values[HEADLINE],
        default=None,
    )
    earlier = _earlier_code(done)
    rows = [_remarked(row, floor, earlier.get(row.method, "")) for row in rows]
    rows.sort(key=lambda row: (-row.values[HEADLINE], row.tokenizer, row.policy, row.generator))
    failed = sorted(
        (f"{' · '.join(_method(record))} (seed {record.spec.seeds})", record.error)
        for record in records
        if record.error is not None
    )
    grouped = tuple(_grouped(rows, done, training))
    headline = FIGURES.index(HEADLINE)
    run_sd = float(np.sqrt(training.variance[headline])) if training.df else None
    superseded = sum(r.status == "done" for r in records) - sum(len(rs) for rs in done.values())
    return Board(
        title_of(records),
        grouped,
        tuple(failed),
        run_sd,
        training.df,
        superseded,
        random_lines(records),
    )


def training_of(done: dict[Method, list[Record]]) -> Training:
    """What training runs add to the columns of `per_user`, pooled over the methods of a table."""
    return Training.pooled(
        np.stack([per_user(record).mean(axis=0) for record in records])
        for records in done.values()
        if trained([record.spec for record in records])
    )


def _grouped(
    rows: Sequence[Row], done: dict[Method, list[Record]], training: Training
) -> list[Row]:
    """The rows, in their order, with the letters of their rank groups."""
    if len({row.users for row in rows}) != 1:
        return list(rows)  # not the same users: nothing to pair
    headline = FIGURES.index(HEADLINE)
    outcomes = [user_mean(done[row.method])[:, headline] for row in rows]
    specs = [[record.spec for record in done[row.method]] for row in rows]
    added = np.array([training.of_mean(runs)[headline] for runs in specs]) if training.df else None
    groups = rank_groups(np.stack(outcomes), added, training.df)
    return [replace(row, group=group) for row, group in zip(rows, groups, strict=True)]


def _method(record: Record) -> Method:
    spec = record.spec
    return spec.tokenizer.label, spec.collision_policy, spec.generator.label


def title_of(records: Sequence[Record]) -> Title:
    """What the records of one table have in common."""
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


def _row(method: Method, records: Sequence[Record], training: Training) -> Row:
    outcomes = [record.outcome for record in records if record.outcome is not None]
    per_seed = np.stack([per_user(record) for record in records])  # [seeds, Q, figures]
    mean_user = per_seed.mean(axis=0)
    specs = [record.spec for record in records]
    low, high = interval(mean_user, specs, training)
    by_seed = per_seed.mean(axis=1)  # [seeds, figures]
    names = [*FIGURES, f"{HEADLINE}/code-level"]
    values = {name: float(by_seed[:, i].mean()) for i, name in enumerate(names)}
    curve = outcomes[0].curves.get("train", [])
    costs = [record.provenance.costs for record in records]
    return Row(
        tokenizer=method[0],
        policy=method[1],
        generator=method[2],
        seeds=len(records),
        users=outcomes[0].users,
        values=values,
        intervals={name: (float(low[i]), float(high[i])) for i, name in enumerate(names)},
        spread={
            name: (float(by_seed[:, i].min()), float(by_seed[:, i].max()))
            for i, name in enumerate(names)
        },
        hits=values[HEADLINE] * outcomes[0].users,
        duplicate_rate=float(np.mean([o.figures["raw/duplicate_rate"].value for o in outcomes])),
        validation=tuple(row["validation_ndcg10"] for row in curve if "validation_ndcg10" in row),
        seconds={
            stage: float(np.mean([cost[stage].seconds for cost in costs if stage in cost]))
            for stage in ("tokenize", "train", "generate")
        },
        axes=sd_by_axis(specs, by_seed[:, FIGURES.index(HEADLINE)]),
        public=all(record.provenance.public for record in records),
    )


def interval(
    users: NDArray[np.float64], specs: Sequence[RunSpec], training: Training
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(low, high) of the mean over users of `users` [Q, F], 95 %, training runs included."""
    low, high = bootstrap(users)
    if not training.df:
        return low, high
    low, high = training.widened(users.mean(axis=0), low, high, training.of_mean(specs))
    return np.maximum(low, 0.0), np.minimum(high, 1.0)


def user_mean(records: Sequence[Record]) -> NDArray[np.float64]:
    """`per_user` averaged over the seeds of one method, [Q, figures]."""
    mean: NDArray[np.float64] = np.mean([per_user(record) for record in records], axis=0)
    return mean


def per_user(record: Record) -> NDArray[np.float64]:
    """The figures of FIGURES and the code-level headline for each user, [Q, figures], read-only."""
    assert record.outcome is not None
    packed = record.outcome.placement
    return _columns(packed["position"], packed["ahead"], packed["group"])


@lru_cache(maxsize=128)  # a page of comparisons asks for the same records again and again
def _columns(position: Packed, ahead: Packed, group: Packed) -> NDArray[np.float64]:
    placement = Placement(position.array(), ahead.array(), group.array())
    columns = [recall(placement, k) for k in CUTOFFS] + [ndcg(placement, k) for k in CUTOFFS]
    table = np.stack([*columns, recall(placement, 10, ties="code-level")], axis=1)
    table.flags.writeable = False
    return table


def _earlier_code(done: dict[Method, list[Record]]) -> dict[Method, str]:
    """Methods whose tokenizer stands on the board with later code too, and the code they have."""
    latest: dict[str, tuple[str, str]] = {}
    for record, *_ in done.values():
        tokenizer = record.spec.tokenizer
        found = record.provenance.created, tokenizer.fingerprint
        latest[tokenizer.name] = max(found, latest.get(tokenizer.name, found))
    tokenizers = {method: records[0].spec.tokenizer for method, records in done.items()}
    return {
        method: tokenizer.fingerprint
        for method, tokenizer in tokenizers.items()
        if tokenizer.fingerprint != latest[tokenizer.name][1]
    }


def _remarked(row: Row, floor: Row | None, earlier: str) -> Row:
    """The row with a remark on where it stands, whose code it is, or how badly it was trained."""
    remarks = [] if row.public else ["unpublished plugin"]
    remarks += [f"earlier code: {earlier}"] if earlier else []
    if len(row.validation) > 1 and max(row.validation[1:]) <= row.validation[0]:
        remarks.append("never better than at its first validation")
    if floor is not None and not row.is_baseline:
        if row.intervals[HEADLINE][1] < floor.values[HEADLINE]:
            remarks.append(f"below {floor.generator}")
        elif row.intervals[HEADLINE][0] <= floor.values[HEADLINE]:
            remarks.append(f"no better than {floor.generator}")
    return replace(row, remark=", ".join(remarks))

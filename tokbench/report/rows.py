"""A row of a board: one method, seeds averaged, and a remark on where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tokbench.report.difference import Interval
from tokbench.report.outcomes import HEADLINE, Methods
from tokbench.schema.record import Record
from tokbench.schema.run_spec import DIAGNOSTICS, is_baseline
from tokbench.stats.seeds import sd_by_axis

USERS_ONLY = "users only"  # remark of a row whose interval does not cover training runs
STAGES = ("tokenize", "train", "generate")  # whose seconds a board prints
Method = tuple[str, str, str]  # tokenizer, policy, generator: as labelled


@dataclass(frozen=True, eq=False)
class Row:
    """One method on one board: mean figures over seeds, with their intervals."""

    tokenizer: str
    policy: str
    generator: str
    seeds: int
    users: int
    values: Mapping[str, float]  # every figure that its users have
    intervals: Mapping[str, Interval]  # the same names
    runs: tuple[Record, ...] = ()  # completed, by the method's latest code
    spread: Mapping[str, Interval] = field(default_factory=dict)  # lowest and highest seed
    duplicate_rate: float = 0.0  # of the tokenizer, before the collision policy
    validation: tuple[float, ...] = ()  # validation NDCG@10 by evaluation, first seed
    seconds: Mapping[str, float] = field(default_factory=dict)  # mean seconds per stage
    axes: Mapping[str, float] = field(default_factory=dict)  # see stats/seeds.py
    remark: str = ""
    group: str = ""  # rows that share a letter are not significantly different in Recall@10

    @property
    def method(self) -> Method:
        """Its key among the methods of a board."""
        return self.tokenizer, self.policy, self.generator

    @property
    def name(self) -> str:
        """tokenizer/policy/generator."""
        return "/".join(self.method)

    @property
    def is_baseline(self) -> bool:
        """What a tokenizer has to beat: a baseline's generator over item ids, whatever its
        options."""
        return is_baseline(self.tokenizer, re.split("[: ]", self.generator)[0])

    @property
    def is_diagnostic(self) -> bool:
        """Its generator is told what no method is told."""
        return self.generator in DIAGNOSTICS

    @property
    def hits(self) -> float:
        """Users whose target is in the top ten, expected, mean over seeds."""
        return self.values[HEADLINE] * self.users


def method_of(record: Record) -> Method:
    """Tokenizer, policy and generator of a run."""
    spec = record.spec
    return spec.tokenizer.label, spec.collision_policy, spec.generator.label


class _Intervals(Mapping[str, Interval]):
    """Of one row, each made when it is read."""

    def __init__(self, methods: Methods, method: int) -> None:
        self.methods, self.method = methods, method

    def __getitem__(self, figure: str) -> Interval:
        return self.methods.interval(self.method, figure)

    def __iter__(self) -> Iterator[str]:
        return iter(self.methods.outcomes[self.method].figures)

    def __len__(self) -> int:
        return len(self.methods.outcomes[self.method].figures)


def make_row(runs: Sequence[Record], methods: Methods, n: int) -> Row:
    """The row of `runs`, which are method `n`."""
    found = [record.outcome for record in runs if record.outcome is not None]
    outcomes = methods.outcomes[n]
    by_run = {figure: outcomes.by_run(figure) for figure in outcomes.figures}
    curve = found[0].curves.get("train", [])
    costs = [record.provenance.costs for record in runs]
    return Row(
        *method_of(runs[0]),
        seeds=len(runs),
        users=found[0].users,
        values={name: float(values.mean()) for name, values in by_run.items()},
        intervals=_Intervals(methods, n),
        runs=tuple(runs),
        spread={name: (float(each.min()), float(each.max())) for name, each in by_run.items()},
        duplicate_rate=float(np.mean([o.figures["raw/duplicate_rate"].value for o in found])),
        validation=tuple(row["validation_ndcg10"] for row in curve if "validation_ndcg10" in row),
        seconds={
            stage: float(np.mean([cost[stage].seconds for cost in costs if stage in cost]))
            for stage in STAGES
        },
        axes=sd_by_axis([run.spec.seed_pair for run in runs], by_run[HEADLINE]),
    )


def remarks(rows: Sequence[Row], methods: Methods) -> list[str]:
    """On where each row stands, whose code it is, or how badly it was trained."""
    earlier = _earlier_code(rows)
    covered = [sample.covers_runs for sample in methods.samples(HEADLINE).values()]
    fair = (n for n, row in enumerate(rows) if row.is_baseline and not row.is_diagnostic)
    floors = (n for n in fair if covered[n])
    floor = next(floors, None)  # the best of which all is known: rows fall
    found = []
    for n, row in enumerate(rows):
        said = [] if all(run.provenance.public for run in row.runs) else ["unpublished plugin"]
        said += [f"earlier code: {earlier[row.method]}"] if row.method in earlier else []
        said += tunings(row.runs)
        said += other_threads(row.runs)
        said += ["diagnostic: knows when the target comes"] if row.is_diagnostic else []
        if len(row.validation) > 1 and max(row.validation[1:]) <= row.validation[0]:
            said.append("never better than at its first validation")
        if not covered[n]:
            said.append(USERS_ONLY)
        elif floor is not None and not row.is_baseline and methods.same_users:
            against = methods.difference(n, floor, HEADLINE)
            if not against.different:
                said.append(f"no better than {rows[floor].generator}")
            elif against.value < 0:
                said.append(f"below {rows[floor].generator}")
        found.append(", ".join(said))
    return found


def tunings(runs: Sequence[Record]) -> list[str]:
    """What it took to choose the options of these runs, a phrase for each component."""
    known = {one.file: one for run in runs for one in run.provenance.tuned or ()}
    return [
        f"{one.component} tuned on {one.dataset}: {one.trials} trials, "
        f"{one.core_seconds:.0f} core-seconds"
        for one in known.values()
    ]


def other_threads(runs: Sequence[Record]) -> list[str]:
    """`2 threads` where runs had another count than one: they round, and so train, otherwise."""
    counts = {run.provenance.environment.get("threads", "1") for run in runs} - {"1"}
    return [f"{count} threads" for count in sorted(counts)]


def _earlier_code(rows: Sequence[Row]) -> dict[Method, str]:
    """Methods whose tokenizer stands on the board with later code too, and the code they have."""
    latest: dict[str, tuple[str, str]] = {}
    for record in (row.runs[0] for row in rows):
        tokenizer = record.spec.tokenizer
        found = record.provenance.created, tokenizer.fingerprint
        latest[tokenizer.name] = max(found, latest.get(tokenizer.name, found))
    tokenizers = {row.method: row.runs[0].spec.tokenizer for row in rows}
    return {
        method: tokenizer.fingerprint
        for method, tokenizer in tokenizers.items()
        if tokenizer.fingerprint != latest[tokenizer.name][1]
    }

"""What each user got from a method, and the statistics of the methods of one board.

Axes: U users, Q queries, S runs of a method, R methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tokbench.report.difference import Difference, Interval
from tokbench.schema.record import Record
from tokbench.schema.run_spec import BASELINE_TOKENIZER, RunSpec, trained
from tokbench.scoring.metrics import CUTOFFS, ndcg, recall
from tokbench.scoring.users import by_user
from tokbench.stats.estimate import Estimate, Values
from tokbench.stats.family_wise import family_wise
from tokbench.stats.pairs import difference
from tokbench.stats.sample import RunVariance, Sample, independent_runs, samples
from tokbench.types import Placement

HEADLINE = "recall@10"
CODE_LEVEL = f"{HEADLINE}/code-level"
FIGURES = tuple(f"{metric}@{k}" for metric in ("recall", "ndcg") for k in CUTOFFS)
COLUMNS = (*FIGURES, CODE_LEVEL)  # of every completed run, all between 0 and 1


def per_user(record: Record) -> dict[str, Values]:
    """Every figure that a completed run has for each user, [U] each; those of COLUMNS first."""
    assert record.outcome is not None
    owners = record.outcome.read_owners()
    return {name: by_user(values, owners) for name, values in per_query(record).items()}


def per_query(record: Record) -> dict[str, Values]:
    """The same for each query, [Q] each: under most protocols a user has one."""
    assert record.outcome is not None
    placement = record.outcome.read_placement()
    hit = np.flatnonzero(placement.position >= 0)  # all others have 0 everywhere
    found = Placement(placement.position[hit], placement.ahead[hit], placement.group[hit])
    columns = [recall(found, k) for k in CUTOFFS] + [ndcg(found, k) for k in CUTOFFS]
    table = np.zeros((len(COLUMNS), len(placement)))
    table[:, hit] = [*columns, recall(found, 10, ties="code-level")]
    return dict(zip(COLUMNS, table, strict=True))


def family_of(spec: RunSpec) -> str | None:
    """Rows whose figures another run should move alike; None where nothing is trained."""
    tokenizer = spec.tokenizer.name
    if not trained(tokenizer, spec.generator.name):
        return None
    return tokenizer if tokenizer in (BASELINE_TOKENIZER, "random") else "semantic"


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The completed runs of one method: a row of a board, or a point of a figure."""

    figures: Mapping[str, Values]  # [S, U] each, those that all of its runs have
    specs: tuple[RunSpec, ...]

    @classmethod
    def of(cls, runs: Sequence[Record]) -> Outcomes:
        """Of records that are all done, and of the same users."""
        tables = [per_user(record) for record in runs]
        shared = [name for name in tables[0] if all(name in table for table in tables)]
        stacked = {name: np.stack([table[name] for table in tables]) for name in shared}
        return cls(stacked, tuple(record.spec for record in runs))

    def column(self, figure: str) -> Values:
        """One figure of each user, mean over runs, [U]."""
        return np.asarray(self.figures[figure].mean(axis=0))

    def by_run(self, figure: str) -> Values:
        """One figure of each run, mean over users, [S]."""
        return np.asarray(self.figures[figure].mean(axis=1))

    def mean(self, figure: str) -> float:
        """Over users and runs."""
        return float(self.figures[figure].mean())

    @cached_property
    def users(self) -> int:
        """U."""
        return int(self.figures[HEADLINE].shape[1])


class Methods:
    """Methods run on one dataset in one setting, by number; what runs vary is pooled by family.

    Everything is made when it is asked for, for all methods that have a figure, and kept.
    """

    def __init__(self, outcomes: Sequence[Outcomes]) -> None:
        self.outcomes = tuple(outcomes)
        self._samples: dict[str, dict[int, Sample]] = {}

    @cached_property
    def families(self) -> list[str | None]:
        """Of each method, [R]."""
        return [family_of(one.specs[0]) for one in self.outcomes]

    @property
    def same_users(self) -> bool:
        """Can the methods be paired?"""
        return len({one.users for one in self.outcomes}) == 1

    def samples(self, figure: str) -> dict[int, Sample]:
        """By number, the methods that have this figure."""
        if figure not in self._samples:
            have = [n for n, one in enumerate(self.outcomes) if figure in one.figures]
            some = [self.outcomes[n] for n in have]
            families = [self.families[n] for n in have]
            runs = [independent_runs([spec.seed_pair for spec in one.specs]) for one in some]
            made = samples([one.figures[figure] for one in some], families, runs)
            self._samples[figure] = dict(zip(have, made, strict=True))
        return self._samples[figure]

    def variances(self, figure: str) -> dict[str, RunVariance]:
        """What runs vary, by family; without those of which no method was run twice."""
        found = self.samples(figure)
        families = {self.families[n]: row.variance for n, row in found.items()}
        return {name: one for name, one in families.items() if name is not None and one.df}

    def interval(self, method: int, figure: str) -> Interval:
        """95 % interval of a method's mean: users, and training runs where these are known."""
        row = self.samples(figure)[method]
        return row.interval() if figure in COLUMNS else row.estimate.interval()

    def difference(self, a: int, b: int, figure: str) -> Estimate:
        """a - b, of this pair alone; their users are the same."""
        rows = self.samples(figure)
        return difference(rows[a], rows[b])

    def pairs(self, figure: str) -> dict[tuple[int, int], Difference]:
        """(i, j) -> method i minus method j, p and intervals for all pairs together; those with a
        method whose runs are not covered: of users only, of that pair alone. Empty where the
        methods were not tested on the same users."""
        if not self.same_users:
            return {}
        rows = self.samples(figure)
        known = [n for n, row in rows.items() if row.covers_runs]
        p, half = family_wise([rows[n] for n in known])
        found = {
            (i, j): Difference.of(difference(rows[i], rows[j]))
            for i in rows
            for j in rows
            if i != j and not (rows[i].covers_runs and rows[j].covers_runs)
        }
        for a, i in enumerate(known):
            for b, j in enumerate(known):
                if i != j:
                    value = rows[i].mean - rows[j].mean
                    low, high = value - half[a, b], value + half[a, b]
                    found[i, j] = Difference(value, low, high, float(p[a, b]))
        return found

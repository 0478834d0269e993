"""What each user got from a method, and the statistics of the methods of one board.

Axes: U users, Q queries, S runs of a method, R methods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
from tokbench.stats.pairs import all_pairs, difference, differences
from tokbench.stats.sample import RunVariance, Sample, independent_runs, samples
from tokbench.types import Placement

HEADLINE = "recall@10"
CODE_LEVEL = f"{HEADLINE}/code-level"
FIGURES = tuple(f"{metric}@{k}" for metric in ("recall", "ndcg") for k in CUTOFFS)
COLUMNS = (*FIGURES, CODE_LEVEL)  # of every completed run, all between 0 and 1
NAMES = {"recall": "Recall@", "ndcg": "NDCG@"}
BITS = "bits"  # per item, fewer are better; of runs whose generator is a distribution


def named(figure: str) -> str:
    """`Recall@10` of `recall@10`; `bits per item` of `bits`."""
    metric, _, rest = figure.partition("@")
    return "bits per item" if figure == BITS else NAMES.get(metric, f"{metric}@") + rest


class PerQuery(Mapping[str, Values]):
    """Every figure that all of some completed runs of the same queries have for each query, [S, Q]
    each: those of COLUMNS, and BITS. Each is made when it is read and kept."""

    def __init__(self, runs: Sequence[Record]) -> None:
        self._outcomes = [record.outcome for record in runs if record.outcome is not None]
        placed = [outcome.read_placement() for outcome in self._outcomes]
        position, ahead, group = (
            np.stack([getattr(one, name) for one in placed])
            for name in ("position", "ahead", "group")
        )
        self._shape = position.shape
        self._hit = np.nonzero(position >= 0)  # all others have 0 everywhere
        hit = Placement(position[self._hit], ahead[self._hit], group[self._hit])
        columns = [recall(hit, k) for k in CUTOFFS] + [ndcg(hit, k) for k in CUTOFFS]
        columns.append(recall(hit, 10, ties="code-level"))
        self._hits = dict(zip(COLUMNS, columns, strict=True))
        bits = all(outcome.millibits is not None for outcome in self._outcomes)
        self._names = (*COLUMNS, BITS) if bits else COLUMNS
        self._made: dict[str, Values] = {}

    def __getitem__(self, figure: str) -> Values:
        if figure not in self._names:
            raise KeyError(figure)
        if figure not in self._made:
            self._made[figure] = self._make(figure)
        return self._made[figure]

    def _make(self, figure: str) -> Values:
        if figure == BITS:
            read = [outcome.read_bits() for outcome in self._outcomes]
            return np.stack([one for one in read if one is not None])
        table = np.zeros(self._shape)
        table[self._hit] = self._hits[figure]
        return table

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class PerUser(PerQuery):
    """The same for each user, [S, U]: the mean of the user's queries, under most protocols one."""

    def __init__(self, runs: Sequence[Record]) -> None:
        super().__init__(runs)
        self._owners = self._outcomes[0].read_owners()

    def _make(self, figure: str) -> Values:
        return np.stack([by_user(run, self._owners) for run in super()._make(figure)])

    def by_run(self, figure: str) -> Values:
        """One figure of each run, mean over users, [S]; no table is made where a user has one
        query."""
        if figure not in self._hits or self._owners is not None:
            return np.asarray(self[figure].mean(axis=1))
        runs, users = self._shape
        sums = np.bincount(self._hit[0], self._hits[figure], minlength=runs)
        return np.asarray(sums / users, dtype=np.float64)


def family_of(spec: RunSpec) -> str | None:
    """Rows whose figures another run should move alike; None where nothing is trained."""
    tokenizer = spec.tokenizer.name
    if not trained(tokenizer, spec.generator.name):
        return None
    return tokenizer if tokenizer in (BASELINE_TOKENIZER, "random") else "semantic"


def twins(specs: Sequence[RunSpec]) -> list[int]:
    """Of how many rows, itself included, the runs of each are all but the same: `random` and
    `random:unique` share 99 % of their tuples at a seed, under one policy and generator."""
    kinds = [(spec.tokenizer.name, spec.collision_policy, spec.generator.label) for spec in specs]
    return [kinds.count(kind) if kind[0] == "random" else 1 for kind in kinds]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The completed runs of one method: a row of a board, or a point of a figure."""

    figures: Mapping[str, Values]  # [S, U] each, those that all of its runs have
    specs: tuple[RunSpec, ...]

    @classmethod
    def of(cls, runs: Sequence[Record]) -> Outcomes:
        """Of records that are all done, and of the same users."""
        return cls(PerUser(runs), tuple(record.spec for record in runs))

    def column(self, figure: str) -> Values:
        """One figure of each user, mean over runs, [U]."""
        return np.asarray(self.figures[figure].mean(axis=0))

    def by_run(self, figure: str) -> Values:
        """One figure of each run, mean over users, [S]."""
        if isinstance(self.figures, PerUser):
            return self.figures.by_run(figure)
        return np.asarray(self.figures[figure].mean(axis=1))

    def mean(self, figure: str) -> float:
        """Over users and runs."""
        return float(self.by_run(figure).mean())

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
        self._differences: dict[str, tuple[Values, ...]] = {}

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
            alike = twins([one.specs[0] for one in some])
            made = samples([one.figures[figure] for one in some], families, runs, alike)
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
        if not self.same_users:
            return difference(rows[a], rows[b])
        if figure not in self._differences:
            self._differences[figure] = differences([*rows.values()])
        at = [*rows].index(a), [*rows].index(b)
        value, users, df, runs, runs_df = (float(part[at]) for part in self._differences[figure])
        covered = rows[a].covers_runs and rows[b].covers_runs
        return Estimate(value, users, df, runs, runs_df, covered)

    def pairs(self, figure: str) -> dict[tuple[int, int], Difference]:
        """(i, j) -> method i minus method j, p and intervals for all pairs together; those with a
        method whose runs are not covered: of users only, of that pair alone. Empty where the
        methods were not tested on the same users."""
        if not self.same_users:
            return {}
        rows = self.samples(figure)
        known = [n for n, row in rows.items() if row.covers_runs]
        p, half = family_wise([rows[n] for n in known])
        alone = all_pairs([*rows.values()])
        found = {
            (i, j): Difference(
                float(alone.difference[a, b]), float(alone.low[a, b]), float(alone.high[a, b]),
                float(alone.p[a, b]), covers_runs=False,
            )
            for a, i in enumerate(rows)
            for b, j in enumerate(rows)
            if i != j and not alone.covers_runs[a, b]
        }  # fmt: skip
        for a, i in enumerate(known):
            for b, j in enumerate(known):
                if i != j:
                    value = rows[i].mean - rows[j].mean
                    low, high = value - half[a, b], value + half[a, b]
                    found[i, j] = Difference(value, low, high, float(p[a, b]))
        return found

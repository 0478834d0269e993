"""Boards of which the truth is known: users with lasting inclinations, runs with effects of their
own, and hits that are flips of a coin.

Axes: S runs, Q users.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

INCLINED = 0.57  # share of an outcome's variance that lasts from run to run (office-5core: .56-.60)
OWN = 0.025  # share of users whose inclination is another in every row: such rows' lasting
# differences have about a fifth of the variance of their flips (office-5core: .0-.3)
COUNTED = 0.35  # the same for a counting baseline, which shares less with trained rows


@dataclass(frozen=True)
class Rows:
    """Some rows of one kind."""

    count: int
    runs: int  # 0: a counting baseline
    family: str | None = "semantic"
    run_sd: float = 0.002  # of a run's main effect
    crossed: bool = False  # runs^2 cells, of tokenizer by generator seeds
    lift: float = 0.0  # relative difference from the other rows

    @property
    def independent(self) -> int:
        """Independent runs, as tokbench.stats.sample.samples wants them."""
        return max(1, self.runs)


@dataclass(frozen=True)
class Scenario:
    """A kind of board."""

    name: str
    rows: tuple[Rows, ...]
    users: int = 3000
    rate: float = 0.075  # mean outcome of every row without a lift
    graded: bool = False  # outcomes like NDCG@10 instead of hits

    @property
    def each(self) -> list[Rows]:
        """One entry a row."""
        return [replace(kind, count=1) for kind in self.rows for _ in range(kind.count)]

    @property
    def truth(self) -> Values:
        """The mean of each row over all users and runs there could be, [R]."""
        return np.array([self.rate * (1 + row.lift) * self.grade for row in self.each])

    @property
    def grade(self) -> float:
        """Mean outcome of a hit."""
        return float(discounts().mean()) if self.graded else 1.0

    def draw(self, rng: np.random.Generator) -> list[Values]:
        """Outcomes [S, Q] of each row."""
        shape = 1 / INCLINED - 1
        laws = np.array([self.rate, 1 - self.rate]) * shape
        shared = rng.beta(laws[0], laws[1], self.users)
        return [self._row(row, shared, laws, rng) for row in self.each]

    def _row(self, row: Rows, shared: Values, laws: Values, rng: np.random.Generator) -> Values:
        own = rng.random(self.users) < (OWN if row.runs else COUNTED)
        chance = np.where(own, rng.beta(laws[0], laws[1], self.users), shared)
        if row.runs == 0:
            return self._outcomes(chance[None] * (1 + row.lift), rng)
        movable = chance * (1 - chance)
        movable /= self.rate * (1 - self.rate) * (1 - INCLINED)  # its mean
        effects = rng.normal(0, row.run_sd, row.runs)
        if row.crossed:
            both = rng.normal(0, row.run_sd, (2, row.runs)) / np.sqrt(2)
            effects = (both[0][:, None] + both[1]).ravel()
        chances = chance * (1 + row.lift) + effects[:, None] * movable
        return self._outcomes(chances, rng)

    def _outcomes(self, chances: Values, rng: np.random.Generator) -> Values:
        hits = (rng.random(chances.shape) < chances).astype(float)
        if self.graded:
            hits[hits > 0] = rng.choice(discounts(), int(hits.sum()))
        return hits


def discounts() -> Values:
    """NDCG's of ranks 1 to 10."""
    return 1 / np.log2(np.arange(2, 12))


def seeds(row: Rows) -> Sequence[tuple[int, int]]:
    """(tokenizer seed, generator seed) of a row's runs."""
    if row.crossed:
        return [(t, g) for t in range(row.runs) for g in range(row.runs)]
    return [(s, s) for s in range(max(1, row.runs))]


S3, S1, COUNTS = Rows(10, 3), Rows(6, 1), Rows(1, 0, None)
OFFICE = (
    Rows(4, 3, run_sd=0.0025),
    Rows(9, 1, run_sd=0.0025),
    Rows(2, 3, "random", 0.0075),
    Rows(1, 3, "item-id", 0.003),
    Rows(3, 0, None),
)
SCENARIOS = (
    Scenario("three seeds, 10 rows, 3,000 users", (S3,)),
    Scenario("no run effect", (replace(S3, run_sd=0.0),)),
    Scenario("large run effect", (replace(S3, run_sd=0.006),)),
    Scenario(
        "6 rows, and 2 random ones of 4x", (replace(S3, count=6), Rows(2, 3, "random", 0.008))
    ),
    Scenario("20 rows, 5,000 users", (replace(S3, count=20),), 5000),
    Scenario("8 rows, 1,000 users, rate .03", (replace(S3, count=8),), 1000, 0.03),
    Scenario("two seeds", (replace(S3, runs=2),)),
    Scenario("five seeds, 2,000 users, rate .10", (replace(S3, runs=5),), 2000, 0.10),
    Scenario("8 rows, 2 x 2 crossed seeds", (replace(S3, runs=2, crossed=True, count=8),)),
    Scenario("4 rows of three seeds, 6 of one", (replace(S3, count=4), S1)),
    Scenario("2 rows of three seeds, 6 of one", (replace(S3, count=2), S1)),
    Scenario("1 row of three seeds, 7 of one", (replace(S3, count=1), replace(S1, count=7))),
    Scenario("one seed only, 3 counting rows", (S1, replace(COUNTS, count=3))),
    Scenario("7 rows, 3 counting ones", (replace(S3, count=7), replace(COUNTS, count=3))),
    Scenario("8 counting rows", (replace(COUNTS, count=8),)),
    Scenario("like office-5core, 19 rows", OFFICE, 4905),
    Scenario("the same, NDCG@10", OFFICE, 4905, graded=True),
)
# A family is taken as alike. What it costs where it is not:
UNLIKE = (
    Scenario(
        "8 rows, half of them without a run effect",
        (replace(S3, count=4, run_sd=0.0), replace(S3, count=4, run_sd=0.005)),
    ),
    Scenario(
        "4 rows of three seeds, 6 of one that vary 3x",
        (replace(S3, count=4), replace(S1, run_sd=0.006)),
    ),
)

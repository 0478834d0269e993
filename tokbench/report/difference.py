"""A difference as it is printed, and the one rule for "different": every report asks it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokbench.stats.estimate import LEVEL, Estimate

Interval = tuple[float, float]
VERDICTS = {
    True: "significantly different",
    False: "not significantly different",
    None: "not to be compared: what another training run would change is not known",
}


@dataclass(frozen=True)
class Difference:
    """One method minus another in the mean over the users both share."""

    mean: float
    low: float  # 95 % interval
    high: float
    p: float  # two-sided
    covers_runs: bool = True  # False: interval and p are of the sampling of users only

    @classmethod
    def of(cls, estimate: Estimate, p: float | None = None, tests: int = 1) -> Difference:
        """Of a pair alone; or with its corrected `p`, and an interval for all of so many `tests`
        together (Bonferroni)."""
        low, high = estimate.interval(1 - LEVEL / tests)
        found = estimate.p if p is None else p
        return cls(estimate.value, low, high, found, estimate.covers_runs)

    @property
    def different(self) -> bool | None:
        """Is p below 5 %? None, no claim, where training runs are not covered."""
        return self.p < LEVEL if self.covers_runs else None

    @property
    def sign(self) -> int:
        """+1 or -1 where the difference is significant, else 0."""
        return int(np.sign(self.mean)) if self.different else 0

    @property
    def verdict(self) -> str:
        """In words."""
        return VERDICTS[self.different]

    @property
    def interval(self) -> Interval:
        """Both bounds."""
        return self.low, self.high

    def __str__(self) -> str:
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"

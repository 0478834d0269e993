"""The one rule for "different": boards, compare, claims, site and pages all ask it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tokbench.stats.groups import LEVEL
from tokbench.stats.paired import holm

Interval = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """One method minus another in the mean over the users both share."""

    mean: float
    low: float  # 95 % interval
    high: float
    p: float  # two-sided

    @property
    def significant(self) -> bool:
        """The rule: p is below 5 % and the interval leaves out 0; at the edge they may disagree."""
        return self.p < LEVEL and self.low * self.high > 0

    @property
    def sign(self) -> int:
        """+1 or -1 where the difference is significant, else 0."""
        return int(np.sign(self.mean)) if self.significant else 0

    @property
    def verdict(self) -> str:
        """In words."""
        return "significantly different" if self.significant else "not significantly different"

    @property
    def interval(self) -> Interval:
        """Both bounds."""
        return self.low, self.high

    def __neg__(self) -> Difference:
        return Difference(0.0 - self.mean, 0.0 - self.high, 0.0 - self.low, self.p)

    def __str__(self) -> str:
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


def adjusted(family: Sequence[Difference]) -> list[Difference]:
    """The same differences with p adjusted for testing them all (Holm)."""
    p = holm(np.array([one.p for one in family]))
    return [replace(one, p=float(value)) for one, value in zip(family, p, strict=True)]

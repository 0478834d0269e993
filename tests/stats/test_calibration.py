"""Equal methods on simulated boards: intervals hold and errors are as rare as they are said to be.

A short form of `python -m benchmarks.calibration`: the same boards, fewer of them. Bounds leave
four standard errors of chance; counting the users' flips twice, as was done, is outside.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.calibration.boards import COUNTS, S1, S3, Rows, Scenario
from benchmarks.calibration.measure import rates
from benchmarks.calibration.methods import before, now

BOARDS = 100


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario("three seeds", (replace(S3, count=8),), 1500),
        Scenario("unequal", (replace(S3, count=6), Rows(2, 3, "random", 0.008)), 1500),
        Scenario("singles", (replace(S3, count=4), replace(S1, count=4)), 1500, 0.1),
        Scenario("counting", (replace(S3, count=5), replace(COUNTS, count=3)), 1500),
    ],
    ids=lambda scenario: scenario.name,
)
def test_error_rates_of_equal_methods(scenario: Scenario) -> None:
    (found,) = rates(scenario, [now], BOARDS)
    for kind, covered in found.coverage.items():
        assert 0.89 < covered < 0.995, kind
    for kind, called in found.pairs.items():
        assert 0.005 < called < 0.12, kind
    assert found.family < 0.15


def test_flips_are_not_counted_twice() -> None:
    """Of all equal pairs 5 % are called different; it was 1 %."""
    scenario = Scenario("three seeds", (replace(S3, count=10, run_sd=0.0),), 1500)
    new, old = rates(scenario, [now, before], 120)
    assert 0.03 < new.pairs["semantic x3 - semantic x3"] < 0.075
    assert old.pairs["semantic x3 - semantic x3"] < 0.02


def test_nothing_is_claimed_of_single_runs() -> None:
    """One seed only, which over users alone errs on far more than 5 % of pairs."""
    scenario = Scenario("single", (replace(S1, run_sd=0.006), replace(COUNTS, count=2)), 3000)
    new, old = rates(scenario, [now, before], 60)
    assert np.isnan(new.family) and np.isnan(new.pairs["semantic x1 - semantic x1"])
    assert old.family > 0.2

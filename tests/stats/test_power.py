"""Power promised against power found, and the searches against their definition."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.calibration.boards import Rows, Scenario
from tokbench.stats.pairs import difference
from tokbench.stats.power import Components, components, detectable, runs_needed, users_needed
from tokbench.stats.sample import samples


@pytest.mark.parametrize("graded", [False, True])
def test_a_detectable_difference_is_detected_four_times_in_five(graded: bool) -> None:
    """Components learnt from large boards; then boards with that difference, tested."""
    rng = np.random.default_rng(0)
    known = Scenario("", (Rows(4, 12),), users=8000, graded=graded)
    first = [difference_parts(known.draw(rng)) for _ in range(3)]
    parts = Components(*np.mean(first, axis=0))
    wished = detectable(parts, runs=3, users=1500, rows=4)
    tried = Scenario("", (Rows(4, 3),), users=1500, graded=graded)
    found = []
    for _ in range(400):
        outcomes = tried.draw(rng)
        outcomes[0] = outcomes[0] + wished
        a, b, *_ = samples(outcomes, ["x"] * 4, [3] * 4)
        found.append(difference(a, b).p < 0.05)
    assert np.mean(found) == pytest.approx(0.8, abs=0.08)


def difference_parts(outcomes: list[np.ndarray]) -> tuple[float, float, float]:
    rows = samples(outcomes, ["x"] * len(outcomes), [len(row) for row in outcomes])
    parts = components(rows[:2])
    return parts.lasting, parts.flips, parts.runs


def test_components_add_up_to_the_variance_of_the_test() -> None:
    rng = np.random.default_rng(1)
    rows = samples(Scenario("", (Rows(3, 3, run_sd=0.02),)).draw(rng), ["x"] * 3, [3] * 3)
    one, parts = difference(rows[0], rows[1]), components(rows[:2])
    assert parts.variance(3, 3000) == pytest.approx(one.users + one.runs)
    assert parts.runs == pytest.approx(2 * rows[0].variance.net_sd ** 2)


PARTS = Components(lasting=0.02, flips=0.06, runs=2 * 0.002**2)


def test_searches_are_the_least() -> None:
    runs = runs_needed(0.008, PARTS, users=5000)
    assert runs is not None and runs > 2
    assert detectable(PARTS, runs=runs, users=5000) <= 0.008
    assert detectable(PARTS, runs=runs - 1, users=5000) > 0.008
    users = users_needed(0.009, PARTS, runs=3)
    assert users is not None
    assert (
        detectable(PARTS, runs=3, users=users) <= 0.009 < detectable(PARTS, runs=3, users=users - 1)
    )


def test_what_cannot_be_seen_is_not_promised() -> None:
    assert runs_needed(0.003, PARTS, users=5000) is None, "the users' lasting part stays"
    assert users_needed(0.002, PARTS, runs=3) is None, "the runs' own part stays"
    assert detectable(PARTS, runs=1, users=5000) == np.inf, "nothing is claimed of single runs"
    counting = Components(lasting=0.02, flips=0.0, runs=0.0)
    expected = (1.959964 + 0.841621) * np.sqrt(0.02 / 5000)
    assert detectable(counting, runs=1, users=5000) == pytest.approx(expected, rel=1e-5)
    assert detectable(PARTS, runs=5, users=5000) < detectable(PARTS, runs=3, users=5000)
    assert detectable(PARTS, runs=3, users=5000, rows=8) < detectable(PARTS, runs=3, users=5000)

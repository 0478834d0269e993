"""Verdicts follow the written rule, from p values counted by hand."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from tests.report.points import claim, made_points, panel
from tokbench.report.claims import judge, lines, verdict
from tokbench.stats.run_variance import Training, Values

USERS = 10
LOW = np.zeros(USERS)
RNG = np.random.default_rng(3)


def up(values: Values) -> Values:
    """Every user better, each by another amount."""
    return values + np.linspace(0.1, 0.2, len(values))


def judged(claims: list[dict[str, Any]], outcomes: dict[Any, Any], **more: Any) -> list[Any]:
    return judge(made_points({"panels": [panel(**more)], "claims": claims}, outcomes))


def p_by_hand(difference: Values) -> float:
    """Two-sided: how many of all sign patterns reach the sum that was found."""
    found = abs(difference.sum())
    sums = [abs(np.dot(s, difference)) for s in itertools.product((1, -1), repeat=len(difference))]
    return float(np.mean(np.array(sums) >= found - 1e-12))


def test_a_rise_at_every_step_holds() -> None:
    (one,) = judged([claim()], {(2,): LOW, (4,): up(LOW), (8,): up(up(LOW))})
    assert one.verdict == "holds"
    assert [step.difference.p for step in one.steps] == pytest.approx([2 / 1024 * 2] * 2), "Holm"
    assert [step.difference.mean for step in one.steps] == pytest.approx([0.15, 0.15])


def test_a_significant_fall_refutes_the_claim_whatever_the_rest() -> None:
    (one,) = judged([claim()], {(2,): LOW, (4,): up(up(LOW)), (8,): up(LOW)})
    assert one.verdict == "does not hold"
    (one,) = judged([claim()], {(2,): up(LOW), (4,): LOW, (8,): "collapsed"})
    assert one.verdict == "does not hold", "a gap elsewhere cannot save it"


@pytest.mark.parametrize(
    ("last", "said"),
    [(LOW + np.where(np.arange(USERS) % 2, 0.1, -0.09), "p = "), ("collapsed", "K = 8: collapsed")],
)
def test_a_step_too_small_or_missing_leaves_it_open(last: Any, said: str) -> None:
    (one,) = judged([claim()], {(2,): LOW - 1, (4,): LOW, (8,): last})
    assert one.verdict == "cannot tell"
    assert said in str(one.steps[1])


def test_p_values_are_corrected_over_all_claims_together() -> None:
    """By brute force over sign patterns, then Holm's steps in plain words."""
    values = {(k,): RNG.random(8) for k in (2, 4, 8)}
    two = judged([claim(), claim(order=[2, 8])], values)
    steps = [step for one in two for step in one.steps]
    pairs = [(2, 4), (4, 8), (2, 8)]
    raw = [p_by_hand(values[b,] - values[a,]) for a, b in pairs]
    expected, floor = dict.fromkeys(pairs, 0.0), 0.0
    for left, (p, pair) in zip((3, 2, 1), sorted(zip(raw, pairs, strict=True)), strict=True):
        floor = max(floor, min(1.0, left * p))
        expected[pair] = floor
    assert [step.difference.p for step in steps] == pytest.approx([expected[p] for p in pairs])


def test_what_training_runs_vary_widens_interval_and_test() -> None:
    """One run a point, each with variance v: the sum of both joins that of the users."""
    v, df = 0.001, 4
    content = {"panels": [panel()], "claims": [claim(order=[2, 4])]}
    outcomes: dict[Any, Any] = {(2,): LOW, (4,): up(LOW)}
    plain = judge(made_points(content, outcomes))[0].steps[0].difference
    grid = made_points(content, outcomes, Training(np.full(9, v), df))
    step = judge(grid)[0].steps[0].difference
    assert plain is not None and step is not None
    total = (up(LOW) ** 2).sum() / USERS**2 + 2 * v
    freedom = df * (total / (2 * v)) ** 2
    assert step.p == pytest.approx(2 * t.sf(0.15 / total**0.5, freedom))
    half = t.ppf(0.975, df) * (2 * v) ** 0.5
    assert step.low == pytest.approx(0.15 - np.hypot(0.15 - plain.low, half))
    assert step.high == pytest.approx(0.15 + np.hypot(plain.high - 0.15, half))


def test_the_best_is_compared_with_every_other_on_its_line() -> None:
    lines_axis = {"option": "tokenizer.temperature", "symbol": "τ", "values": [0.1, 1.0]}
    outcomes = {(k, t): LOW for k in (2, 4, 8) for t in (0.1, 1.0)} | {(4, 1.0): up(LOW)}
    best = claim(order=[], best=4, at={"tokenizer.temperature": 1.0})
    other = claim(order=[], best=4, at={"tokenizer.temperature": 0.1})
    first, second = judged([best, other], outcomes, lines=lines_axis)
    assert [(s.lower, s.upper) for s in first.steps] == [("K = 2", "K = 4"), ("K = 8", "K = 4")]
    assert (first.verdict, second.verdict) == ("holds", "cannot tell")


def test_a_table_orders_its_rows_and_misses_what_was_not_run() -> None:
    claims = [claim(panel="", order=["rqvae", "cost"]), claim(panel="", order=["rqvae", "random"])]
    two = judge(made_points({"claims": claims}, {("rqvae",): LOW, ("cost",): up(LOW)}))
    assert [one.verdict for one in two] == ["holds", "cannot tell"]
    assert "random: not in this run" in "\n".join(lines(two))


def test_the_verdict_of_steps() -> None:
    assert verdict([1, 1]) == "holds"
    assert verdict([1, 0]) == "cannot tell"
    assert verdict([1, 0, -1]) == "does not hold"

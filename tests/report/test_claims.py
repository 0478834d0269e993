"""Verdicts follow the written rule, from p values counted by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.report.points import claim, made_points, panel
from tokbench.report.claims import judge, lines, verdict
from tokbench.stats.estimate import Values
from tokbench.stats.pairs import difference
from tokbench.stats.sample import samples

USERS = 400
RNG = np.random.default_rng(3)
LOW = RNG.random((3, USERS)) * 0.1  # three runs


def up(values: Values) -> Values:
    """Every user better."""
    return values + np.linspace(0.1, 0.2, values.shape[-1])


def judged(claims: list[dict[str, Any]], outcomes: dict[Any, Any], **more: Any) -> list[Any]:
    return judge(made_points({"panels": [panel(**more)], "claims": claims}, outcomes))


def test_a_rise_at_every_step_holds() -> None:
    (one,) = judged([claim()], {(2,): LOW, (4,): up(LOW), (8,): up(up(LOW))})
    assert one.verdict == "holds"
    assert all(step.difference.p < 1e-9 for step in one.steps)
    assert [step.difference.mean for step in one.steps] == pytest.approx([0.15, 0.15])


def test_a_significant_fall_refutes_the_claim_whatever_the_rest() -> None:
    (one,) = judged([claim()], {(2,): LOW, (4,): up(up(LOW)), (8,): up(LOW)})
    assert one.verdict == "does not hold"
    (one,) = judged([claim()], {(2,): up(LOW), (4,): LOW, (8,): "collapsed"})
    assert one.verdict == "does not hold", "a gap elsewhere cannot save it"


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (LOW + np.where(np.arange(USERS) % 2, 0.1, -0.099), "p = "),
        ("collapsed", "K = 8: collapsed"),
    ],
)
def test_a_step_too_small_or_missing_leaves_it_open(last: Any, said: str) -> None:
    (one,) = judged([claim()], {(2,): LOW - 1, (4,): LOW, (8,): last})
    assert one.verdict == "cannot tell"
    assert said in str(one.steps[1])


def test_p_and_intervals_are_corrected_over_all_claims_together() -> None:
    """The steps as `stats` has them alone, then Holm's steps in plain words, Bonferroni's width."""
    values = {(k,): RNG.random((3, 60)) + k / 60 for k in (2, 4, 8)}
    two = judged([claim(), claim(order=[2, 8])], values)
    steps = [step for one in two for step in one.steps]
    pairs = [(2, 4), (4, 8), (2, 8)]
    rows = dict(zip(values, samples([*values.values()], ["semantic"] * 3, [3] * 3), strict=True))
    alone = [difference(rows[b,], rows[a,]) for a, b in pairs]
    expected, floor = dict.fromkeys(pairs, 0.0), 0.0
    for left, (p, pair) in zip(
        (3, 2, 1), sorted(zip((one.p for one in alone), pairs, strict=True)), strict=True
    ):
        floor = max(floor, min(1.0, left * p))
        expected[pair] = floor
    assert [step.difference.p for step in steps] == pytest.approx([expected[p] for p in pairs])
    for step, one in zip(steps, alone, strict=True):
        assert step.difference.interval == pytest.approx(one.interval(1 - 0.05 / 3))


def test_points_run_once_leave_every_claim_open() -> None:
    once = {(2,): LOW[0], (4,): up(LOW[0]), (8,): up(up(LOW[0]))}
    (one,) = judged([claim()], once)
    assert one.verdict == "cannot tell"
    assert "(users only)" in str(one.steps[0])
    repeated = {**once, (2,): LOW}
    assert judged([claim()], repeated)[0].verdict == "holds", (
        "one point's runs speak for its family"
    )


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

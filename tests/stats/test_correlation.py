"""Rank correlations against scipy; verdicts where there is something and where there is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau, permutation_test, spearmanr

from tokbench.stats.correlation import Correlation, correlations, orders

RNG = np.random.default_rng(2)


def test_against_scipy_with_all_orders() -> None:
    recall = RNG.random(6).tolist()
    values = RNG.integers(0, 4, 6).tolist()  # with ties
    one = correlations({"m": values}, recall).found["m"]
    assert one.spearman == pytest.approx(spearmanr(values, recall).statistic)
    assert one.kendall == pytest.approx(kendalltau(values, recall).statistic)

    def strength(order: np.ndarray) -> float:
        return abs(float(spearmanr(order, recall).statistic))

    exact = permutation_test((np.array(values),), strength, permutation_type="pairings",
                             alternative="greater", n_resamples=10_000)  # fmt: skip
    assert one.p == pytest.approx(exact.pvalue)
    assert one.corrected == one.p, "one measure needs no correction"


def test_orders_are_all_or_a_seeded_sample() -> None:
    assert len(np.unique(orders(5), axis=0)) == 120
    many = orders(12)
    assert len(many) == 10_000
    assert many[0].tolist() == list(range(12)), "the order as found is among them: p is never 0"
    assert (np.sort(many, axis=1) == np.arange(12)).all()


def test_chance_of_any_finding_is_one_in_twenty() -> None:
    """Twenty unrelated measures on eight rows: a corrected p below 5 % in about 5 % of boards."""
    rng = np.random.default_rng(3)
    fooled = []
    for _ in range(60):
        measures = {str(n): rng.random(8).tolist() for n in range(20)}
        found = correlations(measures, rng.random(8).tolist()).found
        fooled.append(min(one.corrected for one in found.values()) < 0.05)
    assert np.mean(fooled) < 0.15


def test_verdicts() -> None:
    recall = list(range(8))
    noise = {str(n): RNG.random(8).tolist() for n in range(3)}
    few = str(correlations({"m": [1, 2, 3]}, [1, 2, 3]))
    assert few.startswith("Cannot tell whether any measure predicts Recall@10: that takes 5 rows")
    assert few.endswith("there are 3.")
    found = str(correlations(noise | {"good": [v * 2 for v in recall]}, recall))
    assert found.startswith("good (+1.00) go with Recall@10 beyond chance")
    nothing = str(correlations({"a": [3, 1, 4, 1, 5, 9, 2, 6]}, recall))
    assert "Cannot tell" in nothing
    assert "the strongest, a has" in nothing


def test_measures_that_do_not_vary_are_left_out() -> None:
    found = correlations({"flat": [1.0] * 6, "m": list(range(6))}, list(range(6))).found
    assert found.keys() == {"m"}
    assert isinstance(found["m"], Correlation)
    assert correlations({"m": [1, 2, 3, 4, 5]}, [0.5] * 5).found == {}

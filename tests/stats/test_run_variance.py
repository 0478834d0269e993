"""What training runs add to intervals and tests: by hand, and by how often they are right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.stats.test_seeds import crossed, specs
from tokbench.schema.run_spec import BASELINE_TOKENIZER, ComponentSpec
from tokbench.stats.groups import rank_groups
from tokbench.stats.paired import all_pairs
from tokbench.stats.run_variance import Training, independent_runs, t_test, trained


def test_variances_are_pooled_by_their_degrees_of_freedom() -> None:
    rows = [np.array([[1.0], [3.0]]), np.array([[5.0], [5.0], [8.0]]), np.array([[100.0]])]
    training = Training.pooled(rows)
    assert training.df == 3
    assert training.variance[0] == pytest.approx((1 * 2.0 + 2 * 3.0) / 3)
    assert Training.pooled([np.array([[1.0]])]).df == 0
    rounding = Training.pooled([np.array([[0.1 + 0.2], [0.3]])])
    assert (rounding.variance == 0).all()


def test_runs_that_share_a_seed_are_not_independent() -> None:
    assert independent_runs(specs([(0, 0), (1, 1), (2, 2)])) == 3
    assert independent_runs(specs(crossed(3, 2))) == 2
    assert independent_runs(specs([(0, 0), (0, 1), (0, 2)])) == 3
    assert independent_runs(specs([(4, 4)])) == 1


def test_a_baseline_that_counts_carries_no_variance_of_training() -> None:
    (spec,) = specs([(0, 0)])
    assert trained([spec])
    item_id, bigram, sasrec = (
        ComponentSpec(name=name, label="x", config={}, fingerprint="x@1")
        for name in (BASELINE_TOKENIZER, "bigram", "sasrec")
    )
    counts = spec.model_copy(update={"generator": bigram, "tokenizer": item_id})
    assert not trained([counts])
    assert trained([spec.model_copy(update={"generator": bigram})]), "its codes have a seed"
    assert trained([counts.model_copy(update={"generator": sasrec})])
    training = Training(np.array([0.04]), 2)
    assert training.of_mean([spec])[0] == pytest.approx(0.04)
    assert training.of_mean([counts])[0] == 0.0


def test_without_users_it_is_the_pooled_t_test() -> None:
    """Constant users: only runs differ, and Student's two-sample test is the answer."""
    a, b = [0.10, 0.14, 0.12], [0.20, 0.18, 0.19]
    training = Training.pooled([np.array(a)[:, None], np.array(b)[:, None]])
    added = training.variance[0] * (1 / 3 + 1 / 3)
    p = t_test(np.array(np.mean(a) - np.mean(b)), np.array(0.0), np.array(added), training.df)
    assert float(p) == pytest.approx(stats.ttest_ind(a, b).pvalue)


def test_without_training_it_is_the_test_over_users() -> None:
    rng = np.random.default_rng(3)
    outcomes = (rng.random((3, 300)) < [[0.3], [0.2], [0.2]]).astype(float)
    plain = all_pairs(outcomes)
    assert np.allclose(all_pairs(outcomes, np.zeros(3), 4), plain)
    noisy = all_pairs(outcomes, np.full(3, 1e-4), 4)
    assert (noisy[np.triu_indices(3, 1)] > plain[np.triu_indices(3, 1)]).all()
    assert (np.diag(noisy) == 1.0).all()
    assert rank_groups(outcomes, np.full(3, 0.01), 4) == ["a", "a", "a"]


def draw(rng: np.random.Generator, runs: int, users: int = 400) -> np.ndarray:
    """[runs, users] hits: each run has a chance of its own around 0.3."""
    return (rng.random((runs, users)) < rng.normal(0.3, 0.03, (runs, 1))).astype(float)


def test_interval_and_test_keep_their_level_over_users_and_runs() -> None:
    """1,500 boards of six equal rows, three runs each: 95 % of intervals hold the truth, 5 % of
    pairs are called different. Over users alone it would be far more, which is also shown."""
    rng = np.random.default_rng(0)
    held, called, called_users = [], [], []
    for _ in range(1500):
        rows = [draw(rng, 3) for _ in range(6)]
        training = Training.pooled([row.mean(axis=1, keepdims=True) for row in rows])
        added = training.variance / 3
        users = rows[0].mean(axis=0)
        mean, half = users.mean(), 1.96 * users.std() / np.sqrt(len(users))
        low, high = training.widened(mean, mean - half, mean + half, added)
        held.append(low[0] <= 0.3 <= high[0])
        pair = np.stack([row.mean(axis=0) for row in rows[:2]])
        called.append(all_pairs(pair, np.repeat(added, 2), training.df)[0, 1] < 0.05)
        called_users.append(all_pairs(pair)[0, 1] < 0.05)
    assert np.mean(held) > 0.93
    assert np.mean(called) < 0.065
    assert np.mean(called_users) > 0.2

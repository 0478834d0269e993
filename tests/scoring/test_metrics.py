"""Metrics against rankings written out item by item, every order inside a tied group."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import entropy
from sklearn.metrics import dcg_score

from tokbench.errors import ConfigError
from tokbench.scoring.metrics import (
    CUTOFFS,
    TIES,
    Collisions,
    Ndcg,
    Recall,
    Ties,
    Values,
    ndcg,
    recall,
    register_metrics,
)
from tokbench.types import Placement, SemanticIds

NO_EMBEDDINGS = np.zeros((0, 1), np.float32)
NO_IDS = SemanticIds(np.zeros((1, 1), np.int32), (1,))

Figure = Callable[..., Values]


def placement_of(*rows: tuple[int, int, int]) -> Placement:
    position, ahead, group = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return Placement(position, ahead, group)


def scores_by_order(groups: list[int], at: int, k: int) -> tuple[list[float], list[float]]:
    """(recall, ndcg) of the target for every order of the items in its group, in full.

    `groups` are the sizes of the ranked groups, `at` the target's. Items are listed one by one
    and the list is cut at k, as someone would who had never heard of groups.
    """
    recalls, ndcgs = [], []
    for order in permutations(["target"] + ["twin"] * (groups[at] - 1)):
        ranking: list[str] = []
        for index, size in enumerate(groups):
            ranking += order if index == at else ["other"] * size
        hits = [r for r, item in enumerate(ranking[:k], start=1) if item == "target"]
        recalls.append(float(bool(hits)))
        ndcgs.append(sum(1 / np.log2(r + 1) for r in hits))
    return recalls, ndcgs


rankings = st.lists(st.integers(1, 5), min_size=1, max_size=6)


@given(groups=rankings, k=st.integers(1, 12), data=st.data())
def test_every_tie_rule_against_every_order(groups: list[int], k: int, data: st.DataObject) -> None:
    """Expected is the mean over orders, optimistic the best, pessimistic the worst."""
    at = data.draw(st.integers(0, len(groups) - 1))
    placed = placement_of((at, sum(groups[:at]), groups[at]))
    by_order = scores_by_order(groups, at, k)
    for metric, values in zip((recall, ndcg), by_order, strict=True):
        assert metric(placed, k)[0] == pytest.approx(np.mean(values))
        assert metric(placed, k, ties="optimistic")[0] == pytest.approx(max(values))
        assert metric(placed, k, ties="pessimistic")[0] == pytest.approx(min(values))
    alone = scores_by_order([1] * len(groups), at, k)  # every tuple is one item
    for metric, values in zip((recall, ndcg), alone, strict=True):
        assert metric(placed, k, ties="code-level")[0] == pytest.approx(values[0])
        assert metric(placed, k, ties="cce")[0] == pytest.approx(values[0] / groups[at])


@given(groups=rankings, k=st.integers(1, 12), data=st.data())
def test_expected_ndcg_equals_scikit_learn_on_tied_scores(
    groups: list[int], k: int, data: st.DataObject
) -> None:
    """scikit-learn averages the gain over tied scores; one positive, so its DCG is the NDCG."""
    assume(sum(groups) > 1)  # it refuses a single item
    at = data.draw(st.integers(0, len(groups) - 1))
    tied = np.repeat(-np.arange(len(groups), dtype=float), groups)
    relevant = np.zeros(len(tied))
    relevant[sum(groups[:at])] = 1
    placed = placement_of((at, sum(groups[:at]), groups[at]))
    assert ndcg(placed, k)[0] == pytest.approx(dcg_score([relevant], [tied], k=k))


def test_figures_to_read() -> None:
    placed = placement_of((0, 0, 1), (1, 3, 4), (-1, -1, 2))
    assert recall(placed, 5).tolist() == [1.0, 0.5, 0.0]
    assert recall(placed, 5, ties="code-level").tolist() == [1.0, 1.0, 0.0]
    assert recall(placed, 5, ties="pessimistic").tolist() == [1.0, 0.0, 0.0]
    assert recall(placed, 5, ties="cce").tolist() == [1.0, 0.25, 0.0]
    assert ndcg(placed, 5)[1] == pytest.approx((1 / np.log2(5) + 1 / np.log2(6)) / 4)


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("metric", [recall, ndcg])
def test_a_miss_is_worth_nothing_at_any_cutoff(metric: Figure, ties: Ties) -> None:
    assert metric(placement_of((-1, -1, 1), (-1, -1, 9)), 1000, ties=ties).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("metric", [recall, ndcg])
def test_without_collisions_the_tie_rules_agree(metric: Figure) -> None:
    placed = placement_of(*((rank, rank, 1) for rank in range(50)), (-1, -1, 1))
    for ties in TIES:
        assert metric(placed, 10, ties=ties).tolist() == metric(placed, 10).tolist()


@given(st.lists(st.tuples(st.integers(-1, 9), st.integers(0, 60), st.integers(1, 30)), min_size=1))
def test_the_rules_bound_each_other_and_grow_with_k(rows: list[tuple[int, int, int]]) -> None:
    """pessimistic <= expected <= optimistic <= code-level where a group takes a slot or more."""
    rows = [(p, -1 if p < 0 else p + extra, g) for p, extra, g in rows]
    placed = placement_of(*rows)
    for metric in (recall, ndcg):
        order: list[Ties] = ["pessimistic", "expected", "optimistic", "code-level"]
        by_rule = [metric(placed, 10, ties=ties) for ties in order]
        for lower, upper in pairwise(by_rule):
            assert (lower <= upper + 1e-12).all()
        by_k = [metric(placed, k) for k in (1, 5, 10, 40)]
        for lower, upper in pairwise(by_k):
            assert (lower <= upper + 1e-12).all()


def test_a_user_below_every_cutoff_moves_recall_as_arithmetic_says() -> None:
    placed = placement_of((0, 0, 1), (1, 3, 4))
    longer = placement_of((0, 0, 1), (1, 3, 4), (45, 200, 2))
    assert recall(longer, 40).mean() == pytest.approx(recall(placed, 40).mean() * 2 / 3)


@pytest.mark.parametrize("metric", [recall, ndcg])
def test_wrong_arguments_name_what_is_allowed(metric: Figure) -> None:
    with pytest.raises(ConfigError, match="optimistic"):
        metric(placement_of((0, 0, 1)), 5, ties="hopeful")
    with pytest.raises(ConfigError, match="at least 1"):
        metric(placement_of((0, 0, 1)), 0)


@pytest.mark.parametrize(("component", "metric"), [(Recall, recall), (Ndcg, ndcg)])
def test_components_give_the_expected_figure_the_bare_name(
    component: type[Recall] | type[Ndcg], metric: Figure
) -> None:
    placed = placement_of((0, 0, 1), (2, 8, 6), (-1, -1, 3))
    figures = component().score(placed, NO_IDS, NO_EMBEDDINGS)
    name = component.name
    for k in CUTOFFS:
        assert np.array_equal(figures[f"{name}@{k}"], metric(placed, k))
        for ties in set(TIES) - {"expected"}:
            assert np.array_equal(figures[f"{name}@{k}/{ties}"], metric(placed, k, ties=ties))
    assert len(figures) == len(CUTOFFS) * len(TIES)


def test_cutoffs_are_an_option_with_bounds() -> None:
    figures = Recall.of(cutoffs=(1, 3)).score(placement_of((0, 0, 1)), NO_IDS, NO_EMBEDDINGS)
    assert {name.split("/")[0] for name in figures} == {"recall@1", "recall@3"}
    for wrong in ((), (0,)):
        with pytest.raises(ValueError, match="cutoffs"):
            Recall.of(cutoffs=wrong)


def collisions(ids: SemanticIds) -> dict[str, float]:
    figures = Collisions().score(placement_of(), ids, NO_EMBEDDINGS)
    assert all(type(value) is float for value in figures.values())
    return {name: float(np.mean(value)) for name, value in figures.items()}


def test_collision_figures_to_read() -> None:
    codes = np.array([[0, 0], [0, 0], [0, 0], [0, 1], [1, 0], [1, 0]])
    figures = collisions(SemanticIds(codes, (4, 2)))
    assert figures["duplicate_rate"] == pytest.approx(3 / 6)  # three tuples for six items
    assert figures["items_in_collision"] == pytest.approx(5 / 6)
    assert figures["max_group"] == 3
    assert figures["use/level1"] == 0.5
    assert figures["use/level2"] == 1.0


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=40))
def test_collision_figures_against_counting_and_scipy(rows: list[tuple[int, int]]) -> None:
    figures = collisions(SemanticIds(np.array(rows), (5, 3)))
    crowded = [row for row in rows if rows.count(row) > 1]
    assert figures["duplicate_rate"] == pytest.approx(1 - len(set(rows)) / len(rows))
    assert figures["items_in_collision"] == pytest.approx(len(crowded) / len(rows))
    for level, size in enumerate((5, 3)):
        codes = [row[level] for row in rows]
        shares = [codes.count(code) / len(codes) for code in range(size)]
        assert figures[f"use/level{level + 1}"] == pytest.approx(len(set(codes)) / size)
        assert figures[f"entropy/level{level + 1}"] == pytest.approx(entropy(shares, base=size))


def test_a_level_of_one_code_has_no_entropy() -> None:
    figures = collisions(SemanticIds(np.zeros((3, 1), np.int32), (1,)))
    assert figures["use/level1"] == 1.0
    assert figures["entropy/level1"] == 0.0


def test_the_built_in_metrics_are_registered() -> None:
    assert [cls.name for cls in register_metrics()] == ["recall", "ndcg", "collisions"]


def test_loading_the_metrics_loads_no_heavy_library() -> None:
    """They are imported to list components, and `tokbench list` answers at once."""
    script = (
        "import sys, tokbench.scoring.metrics; print([m for m in sys.argv[1:] if m in sys.modules])"
    )
    heavy = ["torch", "transformers", "scipy", "sklearn", "pandas"]
    done = subprocess.run(
        [sys.executable, "-c", script, *heavy], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

"""What the pages show is prepared by small functions, each against a count or a case by hand."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pipeline.test_grid import run_tiny
from tokbench.report.compare import compare
from tokbench.report.result_set import ResultSet
from tokbench.report.site.axes import linear, logarithmic
from tokbench.report.site.boards import board_views
from tokbench.report.site.curves import charts
from tokbench.report.site.options import Described, component_view
from tokbench.report.site.pareto import COSTS, pareto_front
from tokbench.report.site.runs import collision_bars, most_crowded
from tokbench.report.site.scatter import scatter, short_name
from tokbench.report.site.tree import tree_of
from tokbench.schema.record import Record
from tokbench.schema.run_spec import ComponentSpec
from tokbench.types import SemanticIds

IDS = SemanticIds(
    np.array([[2, 0, 1], [0, 3, 3], [2, 0, 1], [0, 1, 2], [2, 1, 0], [0, 3, 3], [0, 3, 3]]),
    (4, 4, 4),
)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    return run_tiny(tmp_path_factory.mktemp("parts"), tokenizers=("hashed", "hashed:wide"),
                    seeds=(0, 1), collision_policies=("none",))  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=9))
def test_the_front_is_what_a_sweep_leaves(points: list[tuple[int, int]]) -> None:
    """By rising cost, a point stays if it exceeds all that cost less, and ties with the best of
    its own cost."""
    kept, best = [], -1
    for _, group in itertools.groupby(sorted(points), key=lambda point: point[0]):
        top = max(group)
        if top[1] > best:
            kept += [top] * points.count(top)
            best = top[1]
    found = [points[i] for i in pareto_front([(float(c), float(v)) for c, v in points])]
    assert found == kept


def test_axes_end_at_round_numbers_and_map_in_between() -> None:
    axis = linear([0.012, 0.083], 100, 200, zero=True)
    assert [tick.text for tick in axis.ticks] == ["0.00", "0.02", "0.04", "0.06", "0.08", "0.10"]
    assert (axis.at(0.0), axis.at(0.05), axis.at(0.1)) == (100, 150, 200)
    assert linear([1, 112], 0, 10, zero=True, tight=True).at(112) == 10
    assert linear([7.0, 7.0], 0, 10).at(7.0) == 5, "a single value stands in the middle"
    log = logarithmic([1.6, 62.5], 0, 100)  # from 1 to 100
    assert (log.at(1), log.at(10), log.at(100)) == (0, 50, 100)
    assert [tick.text for tick in log.ticks] == ["1", "2", "5", "10", "20", "50", "100"]


def test_users_per_second_tokens_and_seconds_are_those_of_the_runs(records: list[Record]) -> None:
    (view,) = board_views(ResultSet(records))
    costs = {cost.key: cost for cost in COSTS}
    for row in view.rows:
        seconds = [run.provenance.costs["train"].seconds for run in row.row.runs]
        assert costs["generator"].of(row) == pytest.approx(np.mean(seconds))
        decode = np.mean([run.provenance.costs["generate"].seconds for run in row.row.runs])
        if decode > 0:
            assert costs["decode"].of(row) == pytest.approx(8 / decode)
        assert costs["tokens"].of(row) == (1 if row.row.is_baseline else 2)


def test_a_plot_has_every_row_once_and_labels_that_do_not_overlap(records: list[Record]) -> None:
    (view,) = board_views(ResultSet(records))
    plot = scatter(view.rows, COSTS[-1])
    assert plot is not None
    assert {point.view.name for point in plot.points} == {row.name for row in view.rows}
    best = view.rows[0]
    (top,) = (point for point in plot.points if point.view is best)
    assert top.y == min(point.y for point in plot.points)
    assert all(point.high <= point.y <= point.low for point in plot.points)
    spans = [
        (p.label.y, sorted((p.label.x, p.label.x + sign * 6 * len(short_name(p.view)))))
        for p in plot.points if p.label is not None
        for sign in [1 if p.label.anchor == "start" else -1]
    ]  # fmt: skip
    assert len(spans) == len(view.rows)
    for (y1, (a, b)), (y2, (c, d)) in itertools.combinations(spans, 2):
        assert abs(y1 - y2) >= 13 or b < c or d < a


def test_pairs_are_what_compare_says_and_what_the_groups_say(records: list[Record]) -> None:
    (view,) = board_views(ResultSet(records))
    table, results = view.pairs, ResultSet(records)
    names = [row.name for row in view.board.rows]
    for i, j in itertools.permutations(range(len(names)), 2):
        pair = table[i][j]
        assert pair is not None
        told = compare(results, names[i], names[j], dataset="tiny").difference
        assert pair.mean == pytest.approx(told.mean, abs=1e-12)
        assert pair.p >= told.p
        assert pair.low <= told.low + 1e-12 and told.high <= pair.high + 1e-12, "for all pairs"
        shared = set(view.board.rows[i].group) & set(view.board.rows[j].group)
        assert (pair.sign == 0) == bool(shared)
    assert all(table[i][i] is None for i in range(len(names)))


def test_a_tree_counts_what_stands_below_each_code() -> None:
    tree = tree_of(IDS, None)
    codes = [tuple(row) for row in IDS.codes.tolist()]
    assert [(b.code, b.items, b.tuples) for b in tree.branches] == [(0, 4, 2), (2, 3, 2)]
    assert tree.branches[0].examples == ("item 3", "item 1", "item 5")
    order = tree.data["items"]
    assert isinstance(order, list)
    assert tree.data["codes"] == [code for item in order for code in codes[item]]
    assert [codes[item] for item in order] == sorted(codes)
    titled = tree_of(IDS, [f"title {n}" for n in range(7)])
    assert titled.data["titles"] == [f"title {item}" for item in order]


def test_collision_bars_count_tuples_by_size() -> None:
    sizes = Counter(Counter(tuple(row) for row in IDS.codes.tolist()).values())
    bars = collision_bars(IDS)
    assert {bar.size: bar.tuples for bar in bars} == sizes == {1: 2, 2: 1, 3: 1}
    assert [bar.items for bar in bars] == [2, 2, 3]
    assert sum(bar.share for bar in bars) == pytest.approx(1)


def test_the_most_crowded_tuples_name_their_items() -> None:
    crowds = most_crowded(IDS, None)
    assert [(crowd.codes, crowd.items) for crowd in crowds] == [("0 · 3 · 3", 3), ("2 · 0 · 1", 2)]
    assert crowds[0].examples == ("item 1", "item 5", "item 6")
    assert most_crowded(IDS, list("abcdefg"))[1].examples == ("a", "c")
    assert most_crowded(SemanticIds(np.array([[2], [0], [1]]), (4,)), None) == []


def test_levels_share_a_chart_and_clocks_have_none() -> None:
    log = [{"epoch": e, "loss": 1 / e, "used_1": 0.5, "used_2": 0.25, "seconds": 9.0 * e}
           for e in (1.0, 2.0, 4.0)]  # fmt: skip
    log.append({"epoch": 5.0, "loss": 0.1, "once": 3.0})
    loss, used = charts({"tokenize": log, "train": []})
    assert (loss.name, [line.name for line in loss.lines]) == ("loss", ["loss"])
    assert (used.name, [line.name for line in used.lines]) == ("used", ["used 1", "used 2"])
    assert (loss.lines[0].first, loss.lines[0].last, loss.lines[0].most) == (1, 0.1, 1)
    assert "loss from 1 to 0.1" in loss.said and "over 5 epochs" in loss.said
    assert loss.lines[0].path.count("L") == 3


def test_an_option_says_where_its_value_comes_from() -> None:
    spec = ComponentSpec(
        name="t", label="t:fast [depth=9]", fingerprint="t@1",
        config={"width": 4, "rate": 0.5, "steps": 10, "depth": 9},
    )  # fmt: skip
    known = Described(
        {"width": 4, "rate": 0.1, "steps": 100, "depth": 3},
        {"rate": "how fast"},
        {"fast": {"rate": 0.5}, "quick": {"steps": 10}},
    )
    view = component_view("tokenizer", spec, "quick", known)
    assert [option.origin for option in view.options] == [
        "default", "preset fast", "profile quick", "changed",
    ]  # fmt: skip
    assert [option.default for option in view.options] == ["", "0.1", "100", "3"]
    assert view.options[1].meaning == "how fast"
    stranger = component_view("tokenizer", spec, "quick", None)
    assert {option.origin for option in stranger.options} == {""}


def test_boards_of_one_name_have_addresses_of_their_own(records: list[Record]) -> None:
    other = records[0].spec.dataset.model_copy(update={"inputs": {"items.jsonl": "0" * 64}})
    more = [
        r.model_copy(update={"spec": r.spec.model_copy(update={"dataset": other})}) for r in records
    ]
    slugs = [view.slug for view in board_views(ResultSet([*records, *more]))]
    plain = "tiny-paper-letters-leave-one-out-100"
    assert slugs == [plain, f"{plain}-2"]

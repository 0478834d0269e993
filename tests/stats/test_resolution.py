"""`python -m benchmarks.resolution` on records of the tests: its figures are those of stats."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.resolution.__main__ import page
from benchmarks.resolution.measure import core_hours, resolutions
from tests.pipeline.test_grid import run_tiny
from tokbench.report.result_set import ResultSet
from tokbench.stats.power import components, detectable


def test_it_runs_on_synthetic_records(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, tokenizers=("hashed", "hashed:wide"), seeds=(0, 1, 2),
                       collision_policies=("none",), baselines=False)  # fmt: skip
    results = ResultSet(records)
    (board,) = results.boards
    found = {one.figure: one for one in resolutions(results.boards)}
    assert [*found] == ["recall@10", "ndcg@10"], "no bits here"
    one = found["ndcg@10"]
    parts = components([board.sample(row, "ndcg@10") for row in board.rows])
    assert one.parts == parts
    assert one.seen(5) == detectable(parts, runs=5, users=8, rows=2)
    assert one.seen(1) == float("inf")
    assert one.floor <= one.seen(1000) * 1.01 < one.seen(3)
    assert one.kind.hours == pytest.approx(sum(map(core_hours, records)) / 6)
    assert one.runs_in(2 * one.kind.hours + 1e-12) == 2
    assert one.before(3) > 0
    text = page(results)
    assert "| tiny | echo | none | 2 | 8 | N@10 |" in text
    assert "| tiny | statistics (echo, none, 3 runs) | before | now |" in text

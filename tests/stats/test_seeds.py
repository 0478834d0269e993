"""Seeds on two axes: which runs are asked for, and what they say of the variance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.test_grid import run_tiny, tiny_request
from tokbench.report.board import page
from tokbench.report.result_set import ResultSet
from tokbench.schema.record import Record
from tokbench.stats.seeds import sd_by_axis


def crossed(t: int, g: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(t) for j in range(g)]


def test_seeds_move_together_unless_an_axis_is_named() -> None:
    assert tiny_request(seeds=(0, 2)).seed_pairs() == [(0, 0), (2, 2)]
    assert tiny_request(generator_seeds=(0, 1)).seed_pairs() == [(0, 0), (0, 1)]
    both = tiny_request(tokenizer_seeds=(0, 1), generator_seeds=(5, 6))
    assert both.seed_pairs() == [(0, 5), (0, 6), (1, 5), (1, 6)]


def test_additive_effects_are_split_exactly() -> None:
    a, b = np.array([0.1, 0.4, 0.2]), np.array([0.0, 0.05])
    found = sd_by_axis(crossed(3, 2), (a[:, None] + b).ravel())
    assert found == pytest.approx(
        {"tokenizer": a.std(ddof=1), "generator": b.std(ddof=1), "rest": 0.0}, abs=1e-12
    )


def test_components_are_recovered_on_average() -> None:
    rng = np.random.default_rng(0)
    cells = crossed(6, 6)
    found = []
    for _ in range(400):
        rows, columns = rng.normal(0, 1.5, (6, 1)), rng.normal(0, 3, (1, 6))
        table = rows + columns + rng.normal(0, 2, (6, 6))
        found.append([sd**2 for sd in sd_by_axis(cells, table.ravel()).values()])
    assert np.sqrt(np.mean(found, axis=0)) == pytest.approx([1.5, 3, 2], rel=0.07)


def test_one_axis_or_none() -> None:
    values = [0.1, 0.2, 0.4]
    sd = float(np.std(values, ddof=1))
    assert sd_by_axis([(0, 0), (1, 0), (2, 0)], values) == {"tokenizer": pytest.approx(sd)}
    assert sd_by_axis([(0, 0), (0, 1), (0, 2)], values) == {"generator": pytest.approx(sd)}
    assert sd_by_axis([(0, 0), (1, 1), (2, 2)], values) == {}
    assert sd_by_axis([(0, 0), (0, 1), (1, 0)], values) == {}
    assert sd_by_axis([(0, 0)], [0.1]) == {}


def test_a_run_that_shares_no_seed_is_left_out() -> None:
    values = [0.1, 0.2, 0.4, 0.7]
    found = sd_by_axis([*crossed(2, 2), (2, 2), (7, 3)], [*values, 9.0, -9.0])
    assert found == sd_by_axis(crossed(2, 2), values)
    assert set(found) == {"tokenizer", "generator", "rest"}


def test_the_board_shows_the_axes_of_crossed_runs(tmp_path: Path) -> None:
    records: list[Record] = run_tiny(
        tmp_path, tokenizer_seeds=(0, 1), generator_seeds=(0, 1), baselines=False
    )
    assert sorted(record.spec.seeds for record in records) == ["0", "0-1", "1", "1-0"]
    (board,) = ResultSet(records).boards
    (row,) = board.rows
    assert row.seeds == 4
    assert set(row.axes) == {"tokenizer", "generator", "rest"}
    assert "sd: tokenizer 0." in page(ResultSet(records))

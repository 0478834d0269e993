"""What is drawn is what was measured; a gap is a gap."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.report.points import claim, made_points, panel
from tokbench.errors import MissingExtraError
from tokbench.report.claims import judge
from tokbench.report.figure import draw, save_figure
from tokbench.report.grid_points import GridPoints

RNG = np.random.default_rng(0)


@pytest.fixture
def grid() -> GridPoints:
    tau = {"option": "tokenizer.temperature", "symbol": "τ", "values": [0.1, 1.0]}
    outcomes = {(k, t): RNG.random(50) for k in (2, 4, 8) for t in (0.1, 1.0)}
    gap = {(4, 1.0): "cost: codebooks collapsed, 3 distinct code tuples for 12 items"}
    content = {"panels": [panel(lines=tau)], "claims": [claim(at={"tokenizer.temperature": 0.1})]}
    return made_points(content, {**outcomes, **gap}, bigram=np.full(50, 9.0))


def test_lines_pass_through_the_means_and_break_at_gaps(grid: GridPoints) -> None:
    pytest.importorskip("matplotlib")
    (axes,) = draw(grid, judge(grid)).axes
    drawn = [line.get_ydata() for line in axes.lines if line.get_linestyle() not in ("None", " ")]
    expected = [
        [
            grid.outcomes[p].mean("ndcg@10") if p in grid.outcomes else np.nan
            for p in grid.points
            if dict(p.at)["tokenizer.temperature"] == value
        ]
        for value in (0.1, 1.0)
    ]
    np.testing.assert_allclose(np.array(drawn[:2], float), np.array(expected))
    words = [text.get_text() for text in axes.texts]
    assert "collapsed" in words
    assert axes.get_xlabel() == "K"
    assert axes.get_ylabel() == "NDCG@10"
    assert "cannot tell: it rises" in axes.get_title(loc="left")
    assert "bigram: 9.0000, off this scale" in axes.get_title(loc="left")


def test_the_files_are_written_and_the_same_each_time(grid: GridPoints, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    png, svg = save_figure(grid, judge(grid), tmp_path / "new" / "f")
    assert png.read_bytes()[:4] == b"\x89PNG"
    first = svg.read_bytes()
    assert save_figure(grid, judge(grid), tmp_path / "new" / "f")[1].read_bytes() == first


def test_without_matplotlib_the_extra_is_named(
    grid: GridPoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"tokbench\[figures\]"):
        save_figure(grid, [], tmp_path / "f")

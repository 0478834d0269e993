"""Mean ranks and win rates by hand, and how often their intervals hold."""

from __future__ import annotations

import numpy as np
import pytest

from tokbench.errors import ConfigError
from tokbench.stats.standings import standings

EXACT = np.zeros((3, 3, 3))


def test_by_hand() -> None:
    figures = np.array([[0.3, 0.2, 0.1], [0.3, 0.1, 0.1], [0.1, 0.2, 0.3]])
    found = standings(figures, EXACT)
    assert found.mean_rank == pytest.approx([5 / 3, 2 + 1 / 6, 2 + 1 / 6])
    assert found.win_rate == pytest.approx([(1 + 1 + 0) / 3, (0.5 + 0.25 + 0.5) / 3, 1.25 / 3])
    assert (found.rank_interval[:, 0] <= found.mean_rank).all()
    assert (found.rank_interval[:, 1] >= found.mean_rank).all()
    assert found.rank_interval[0].tolist() == [1.0, 3.0], "one dataset drawn three times"
    alone = standings(figures[:1], EXACT[:1])
    assert (alone.rank_interval == alone.mean_rank[:, None]).all(), "nothing varies"
    with pytest.raises(ConfigError, match="nan"):
        standings(np.array([[1.0, np.nan]]), EXACT[:1, :2, :2])


def test_errors_of_figures_widen_the_interval() -> None:
    figures = np.tile([0.3, 0.29, 0.1], (3, 1))
    sharp = standings(figures, EXACT)
    blunt = standings(figures, np.tile(np.eye(3) * 0.02**2, (3, 1, 1)))
    assert sharp.rank_interval[:2].tolist() == [[1, 1], [2, 2]]
    assert blunt.rank_interval[0, 1] > 1.3
    assert blunt.rank_interval[2].tolist() == [3, 3]


def test_intervals_hold() -> None:
    """Eight datasets drawn from many, rows that err: the true mean rank is inside mostly."""
    rng = np.random.default_rng(0)
    lasting = np.array([0.0, 0.3, 0.6, 1.2])
    covariance = np.tile(np.eye(4) * 0.2**2, (8, 1, 1))
    many = lasting + rng.normal(0, 0.6, (200_000, 4))
    truth = 4 - np.argsort(np.argsort(many, axis=1), axis=1).mean(axis=0)
    held = []
    for _ in range(300):
        figures = lasting + rng.normal(0, 0.6, (8, 4)) + rng.normal(0, 0.2, (8, 4))
        low, high = standings(figures, covariance, resamples=300).rank_interval.T
        held.append((low <= truth) & (truth <= high))
    assert 0.88 < np.mean(held) < 0.985

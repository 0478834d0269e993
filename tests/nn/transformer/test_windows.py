"""Windows supervise every target once; groups of near length cost least."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tokbench.nn.transformer.windows import pack, prefix_windows, sequence_windows
from tokbench.types import Ints


def offsets_of(lengths: list[int]) -> Ints:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


lengths_of_users = st.lists(st.integers(0, 30), min_size=1, max_size=8)


@given(lengths_of_users, st.integers(1, 9))
def test_prefix_windows_are_every_target_with_its_last_items(
    lengths: list[int], history: int
) -> None:
    windows = prefix_windows(offsets_of(lengths), history)
    found = list(zip(windows.start, windows.stop, windows.first, strict=True))
    begins = offsets_of(lengths)
    expected = [
        (begin + max(0, t - history), begin + t + 1, min(t, history))
        for begin, length in zip(begins, lengths, strict=False)
        for t in range(1, length)
    ]
    assert found == expected


@given(lengths_of_users, st.integers(1, 9))
def test_sequence_windows_supervise_every_target_once_with_half_a_history(
    lengths: list[int], history: int
) -> None:
    offsets = offsets_of(lengths)
    windows = sequence_windows(offsets, history)
    assert (windows.lengths <= history + 1).all()
    user = np.searchsorted(offsets, windows.start, side="right") - 1
    assert (windows.stop <= offsets[user + 1]).all(), "a window belongs to one user"
    targets: list[int] = []
    for start, stop, first in zip(windows.start, windows.stop, windows.first, strict=True):
        assert first >= 1
        targets += range(start + first, stop)
        begin = offsets[np.searchsorted(offsets, start, side="right") - 1]
        wanted = min(start + first - begin, (history + 1) // 2)
        assert first >= wanted, "context"
    everyone = [t for begin, end in pairwise(offsets) for t in range(begin + 1, end)]
    assert sorted(targets) == everyone


@given(st.lists(st.integers(1, 12), max_size=40), st.integers(12, 60), st.integers(0, 30))
def test_packing_covers_every_row_once_within_the_budget(
    lengths: list[int], budget: int, overhead: int
) -> None:
    sizes = np.array(lengths, np.int64)
    groups = pack(sizes, budget=budget, overhead=overhead)
    assert sorted(row for group in groups for row in group.tolist()) == list(range(len(sizes)))
    assert all(sizes[group].max() * len(group) <= budget for group in groups)


def test_packing_trades_padding_against_groups() -> None:
    sizes = np.array([4, 1, 4, 2, 1, 1], np.int64)
    groups = [sizes[group].tolist() for group in pack(sizes, budget=100, overhead=0)]
    assert groups == [[1, 1, 1], [2], [4, 4]], "nothing padded where a group costs nothing"
    (group,) = pack(sizes, budget=100, overhead=50)
    assert group.tolist() == [0, 1, 2, 3, 4, 5]
    middle = [sizes[group].tolist() for group in pack(sizes, budget=100, overhead=4)]
    assert middle == [[1, 1, 1], [4, 4, 2]], "23; 25 with three groups, 28 with one"

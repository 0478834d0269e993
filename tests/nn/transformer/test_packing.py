"""Windows, packing, chunks; and that packed training computes what the padded batch would."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tokbench.nn.training.seq2seq import Recipe, backward, learning_rate
from tokbench.nn.transformer.packing import (
    IGNORED,
    Grid,
    Packer,
    Windows,
    pack,
    prefix_windows,
    sequence_windows,
)
from tokbench.nn.transformer.t5 import START, Size, Transformer

Ints = NDArray[np.int64]
LEVELS, ITEMS = 3, 30
TOKENS = np.random.default_rng(0).integers(1, 20, (ITEMS, LEVELS)).astype(np.int64)


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


def windowed(causal: bool) -> tuple[Ints, Windows]:
    lengths = [2, 5, 9, 3, 2, 7, 4]
    items = np.random.default_rng(1).integers(0, ITEMS, sum(lengths)).astype(np.int64)
    make = sequence_windows if causal else prefix_windows
    return items, make(offsets_of(lengths), 5)


@pytest.mark.parametrize("causal", [False, True])
def test_chunks_say_what_the_windows_say(causal: bool) -> None:
    """Inputs, labels and what a target may look at, window by window from the definition."""
    items, windows = windowed(causal)
    packer = Packer(items, TOKENS, causal=causal, overhead=10)
    rows = np.arange(len(windows))
    seen = 0
    for group in pack(windows.lengths * LEVELS, budget=4096, overhead=10):
        chunk = packer.chunk(windows, rows[group])
        size = chunk.encoder.shape[1]
        for b, row in enumerate(rows[group]):
            inside = items[windows.start[row] : windows.stop[row]]
            read = [START, *TOKENS[inside[:-1]].flatten()]
            assert chunk.encoder[b, : len(read)].tolist() == read
            for t in range(chunk.labels.shape[1]):
                position = t + 1 if causal else len(inside) - 1
                if position >= len(inside) or position < windows.first[row]:
                    assert (chunk.labels[b, t] == IGNORED).all()
                    continue
                seen += 1
                target = TOKENS[inside[position]].tolist()
                assert chunk.labels[b, t].tolist() == target
                assert chunk.decoder[b, t].tolist() == [START, *target[:-1]]
                sees = size if chunk.ends is None else chunk.ends.expand(len(group), -1)[b, t]
                assert sees == 1 + position * LEVELS
    assert seen == len(items) - 7, "every item but each user's first"


def small_model(dropout: float = 0.0) -> Transformer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        size = Size(20, 16, 24, 2, 8, 2, 2, dropout, cross_bias=True)
        return Transformer(size).double()


@pytest.mark.parametrize("causal", [False, True])
def test_packed_loss_and_gradient_equal_those_of_the_padded_batch(causal: bool) -> None:
    """In float64, to 1e-10: one padded chunk against exact-length groups, tiny chunks, a grid."""
    items, windows = windowed(causal)
    rows = np.arange(len(windows))
    results = []
    one = (10**6, 10**6)
    for (budget, overhead), grid in [(one, None), ((4096, 0), None), ((40, 10), None),
                                     ((90, 0), Grid(windows=4, items=3))]:  # fmt: skip
        model = small_model()
        packer = Packer(items, TOKENS, causal=causal, budget=budget, overhead=overhead, grid=grid)
        chunks = list(packer.chunks(windows, rows))
        total, count = backward(model, chunks)
        assert total.dtype == torch.float64
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        assert len(gradients) == len(list(model.parameters()))
        results.append((len(chunks), float(total), count, gradients))
    assert results[0][0] == 1
    assert len({result[0] for result in results[:3]}) == 3, "three different packings"
    for _, summed, count, gradients in results[1:]:
        assert count == results[0][2] == (len(items) - 7) * LEVELS
        assert summed == pytest.approx(results[0][1], rel=1e-10)
        for ours, padded in zip(gradients, results[0][3], strict=True):
            torch.testing.assert_close(ours, padded, atol=1e-10, rtol=1e-8)


@pytest.mark.parametrize("causal", [False, True])
def test_on_a_grid_few_shapes_occur_and_supervision_stays(causal: bool) -> None:
    """B is a multiple of 4 and the items of a window one of 3; what was added teaches nothing."""
    items, windows = windowed(causal)
    rows = np.arange(len(windows))
    packer = Packer(items, TOKENS, causal=causal, overhead=0, grid=Grid(windows=4, items=3))
    chunks = list(packer.chunks(windows, rows))
    assert len(chunks) == 2, "windows of 2 to 6 items are of two lengths, 3 and 6"
    for chunk in chunks:
        read = (chunk.encoder.shape[1] - 1) // LEVELS
        assert len(chunk.encoder) % 4 == 0
        assert (read + 1) % 3 == 0
        assert chunk.ends is not None
        assert chunk.encoder_allowed is not None
        assert chunk.supervised == int((chunk.labels != IGNORED).sum())
    taught = torch.cat([chunk.labels[chunk.labels != IGNORED] for chunk in chunks])
    plain = Packer(items, TOKENS, causal=causal).chunk(windows, rows)
    assert sorted(taught) == sorted(plain.labels[plain.labels != IGNORED])


def test_a_causal_window_gives_each_target_what_its_own_history_gives() -> None:
    """One pass over a window equals one causal pass per prefix: no look into the future."""
    items = np.arange(6, dtype=np.int64)
    model = small_model().eval()
    packer = Packer(items, TOKENS, causal=True)
    whole = packer.chunk(Windows(np.array([0]), np.array([6]), np.array([1])), np.array([0]))
    with torch.no_grad():
        memory = model.encode(whole.encoder, whole.encoder_allowed)
        together = model.decode(whole.decoder, memory, whole.ends)
        for t in range(1, 6):
            tokens, allowed, ends = packer.read(np.array([0]), np.array([t]))
            assert ends is None
            memory = model.encode(tokens, allowed)
            alone = model.decode(whole.decoder[:, t - 1 : t], memory)
            torch.testing.assert_close(together[:, t - 1], alone[:, 0], atol=1e-10, rtol=1e-8)


@pytest.mark.parametrize("causal", [False, True])
def test_histories_are_read_alike_alone_and_padded(causal: bool) -> None:
    items = np.array([2, 3, 4, 5, 6, 7])
    start, stop = np.array([1, 5, 5]), np.array([5, 5, 6])
    model = small_model().eval()
    packer = Packer(items, TOKENS, causal=causal)
    tokens, allowed, ends = packer.read(start, stop)
    assert ends is not None
    with torch.no_grad():
        memory = model.encode(tokens, allowed)
        for row, history in enumerate(([3, 4, 5, 6], [], [7])):
            alone, mask, _ = packer.read(start[row : row + 1], stop[row : row + 1])
            assert alone[0].tolist() == [START, *TOKENS[history].flatten()]
            one = model.encode(alone, mask)[0]
            assert ends[row] == len(one) == 1 + 3 * len(history)
            torch.testing.assert_close(memory[row, : len(one)], one, atol=1e-10, rtol=1e-8)


def test_schedules_warm_up_and_then_do_what_they_say() -> None:
    def rates(schedule: str) -> list[float]:
        recipe = Recipe(1, 1, 2.0, schedule, 4, 0.0, 0.0)  # type: ignore[arg-type]
        return [learning_rate(recipe, step, 16) for step in range(1, 17)]

    for schedule in ("constant", "inverse-sqrt", "cosine"):
        assert rates(schedule)[:4] == [0.5, 1.0, 1.5, 2.0]
    assert rates("constant")[15] == 2.0
    assert rates("inverse-sqrt")[15] == pytest.approx(1.0), "twice the root, half the rate"
    assert rates("cosine")[9] == pytest.approx(1.0), "half way"
    assert rates("cosine")[15] == pytest.approx(0.0, abs=1e-12)

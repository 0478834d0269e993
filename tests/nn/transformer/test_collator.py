"""Micro-batches; and that packed training computes what the padded batch would."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
import pytest
import torch

from tests.nn.transformer.test_windows import offsets_of
from tokbench.nn.training.gradient import Examples, GradientStep
from tokbench.nn.training.loop import Summed
from tokbench.nn.transformer.collator import IGNORED, Collator, Grid, MicroBatch
from tokbench.nn.transformer.layers import Size
from tokbench.nn.transformer.loss import summed_loss
from tokbench.nn.transformer.t5 import START, Transformer
from tokbench.nn.transformer.windows import Windows, pack, prefix_windows, sequence_windows
from tokbench.types import Ints

LEVELS, ITEMS = 3, 30
TOKENS = np.random.default_rng(0).integers(1, 20, (ITEMS, LEVELS)).astype(np.int64)


def backward(
    model: Transformer,
    batches: Iterable[MicroBatch],
    *,
    smoothing: float = 0.0,
    recordable: bool = False,
) -> Summed:
    """The gradient of the summed loss, added to the weights'."""
    loss = partial(summed_loss, model, smoothing=smoothing)
    examples = Examples(0, lambda rows: [], loss, recordable)
    return GradientStep(model, examples, torch.optim.SGD(model.parameters())).accumulate(batches)


def windowed(causal: bool) -> tuple[Ints, Windows]:
    lengths = [2, 5, 9, 3, 2, 7, 4]
    items = np.random.default_rng(1).integers(0, ITEMS, sum(lengths)).astype(np.int64)
    make = sequence_windows if causal else prefix_windows
    return items, make(offsets_of(lengths), 5)


@pytest.mark.parametrize("causal", [False, True])
def test_batches_say_what_the_windows_say(causal: bool) -> None:
    """Inputs, labels and what a target may look at, window by window from the definition."""
    items, windows = windowed(causal)
    collator = Collator(items, TOKENS, causal=causal, overhead=10)
    rows = np.arange(len(windows))
    seen = 0
    for group in pack(windows.lengths * LEVELS, budget=4096, overhead=10):
        batch = collator.micro_batch(windows, rows[group])
        size = batch.encoder.shape[1]
        for b, row in enumerate(rows[group]):
            inside = items[windows.start[row] : windows.stop[row]]
            read = [START, *TOKENS[inside[:-1]].flatten()]
            assert batch.encoder[b, : len(read)].tolist() == read
            for t in range(batch.labels.shape[1]):
                position = t + 1 if causal else len(inside) - 1
                if position >= len(inside) or position < windows.first[row]:
                    assert (batch.labels[b, t] == IGNORED).all()
                    continue
                seen += 1
                target = TOKENS[inside[position]].tolist()
                assert batch.labels[b, t].tolist() == target
                assert batch.decoder[b, t].tolist() == [START, *target[:-1]]
                sees = (
                    size
                    if batch.memory_length is None
                    else batch.memory_length.expand(len(group), -1)[b, t]
                )
                assert sees == 1 + position * LEVELS
    assert seen == len(items) - 7, "every item but each user's first"


def small_model(dropout: float = 0.0) -> Transformer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        size = Size(20, 16, 24, 2, 8, 2, 2, dropout, cross_bias=True)
        return Transformer(size).double()


@pytest.mark.parametrize("causal", [False, True])
def test_packed_loss_and_gradient_equal_those_of_the_padded_batch(causal: bool) -> None:
    """In float64, to 1e-10: one padded batch against exact-length groups, tiny batches, a grid."""
    items, windows = windowed(causal)
    rows = np.arange(len(windows))
    results = []
    one = (10**6, 10**6)
    for (budget, overhead), grid in [(one, None), ((4096, 0), None), ((40, 10), None),
                                     ((90, 0), Grid(windows=4, items=3))]:  # fmt: skip
        model = small_model()
        collator = Collator(
            items, TOKENS, causal=causal, budget=budget, overhead=overhead, grid=grid
        )
        batches = list(collator.micro_batches(windows, rows))
        total, count = backward(model, batches)
        assert total.dtype == torch.float64
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        assert len(gradients) == len(list(model.parameters()))
        results.append((len(batches), float(total), count, gradients))
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
    collator = Collator(items, TOKENS, causal=causal, overhead=0, grid=Grid(windows=4, items=3))
    batches = list(collator.micro_batches(windows, rows))
    assert len(batches) == 2, "windows of 2 to 6 items are of two lengths, 3 and 6"
    for batch in batches:
        read = (batch.encoder.shape[1] - 1) // LEVELS
        assert len(batch.encoder) % 4 == 0
        assert (read + 1) % 3 == 0
        assert batch.memory_length is not None
        assert batch.encoder_allowed is not None
        assert batch.supervised == int((batch.labels != IGNORED).sum())
    taught = torch.cat([batch.labels[batch.labels != IGNORED] for batch in batches])
    plain = Collator(items, TOKENS, causal=causal).micro_batch(windows, rows)
    assert sorted(taught) == sorted(plain.labels[plain.labels != IGNORED])


def test_a_causal_window_gives_each_target_what_its_own_history_gives() -> None:
    """One pass over a window equals one causal pass per prefix: no look into the future."""
    items = np.arange(6, dtype=np.int64)
    model = small_model().eval()
    collator = Collator(items, TOKENS, causal=True)
    whole = collator.micro_batch(
        Windows(np.array([0]), np.array([6]), np.array([1])), np.array([0])
    )
    with torch.no_grad():
        memory = model.encode(whole.encoder, whole.encoder_allowed)
        together = model.decode(whole.decoder, memory, whole.memory_length)
        for t in range(1, 6):
            tokens, allowed, length = collator.read(np.array([0]), np.array([t]))
            assert length is None
            memory = model.encode(tokens, allowed)
            alone = model.decode(whole.decoder[:, t - 1 : t], memory)
            torch.testing.assert_close(together[:, t - 1], alone[:, 0], atol=1e-10, rtol=1e-8)


@pytest.mark.parametrize("causal", [False, True])
def test_histories_are_read_alike_alone_and_padded(causal: bool) -> None:
    items = np.array([2, 3, 4, 5, 6, 7])
    start, stop = np.array([1, 5, 5]), np.array([5, 5, 6])
    model = small_model().eval()
    collator = Collator(items, TOKENS, causal=causal)
    tokens, allowed, length = collator.read(start, stop)
    assert length is not None
    with torch.no_grad():
        memory = model.encode(tokens, allowed)
        for row, history in enumerate(([3, 4, 5, 6], [], [7])):
            alone, mask, _ = collator.read(start[row : row + 1], stop[row : row + 1])
            assert alone[0].tolist() == [START, *TOKENS[history].flatten()]
            one = model.encode(alone, mask)[0]
            assert length[row] == len(one) == 1 + 3 * len(history)
            torch.testing.assert_close(memory[row, : len(one)], one, atol=1e-10, rtol=1e-8)


@pytest.mark.parametrize("causal", [False, True])
def test_whole_items_are_the_same_batches_with_a_position_each(causal: bool) -> None:
    items, windows = windowed(causal)
    codes, whole = (
        Collator(items, TOKENS, causal=causal, whole_items=flag).micro_batch(
            windows, np.arange(len(windows))
        )
        for flag in (False, True)
    )
    begin, rest = whole.encoder[:, 0], whole.encoder[:, 1:]
    assert (begin == START).all()
    assert torch.equal(rest.flatten(1), codes.encoder[:, 1:])
    assert torch.equal(whole.decoder, codes.decoder)
    assert torch.equal(whole.labels, codes.labels)
    assert whole.memory_length is not None
    assert codes.memory_length is not None
    assert torch.equal((whole.memory_length - 1) * LEVELS + 1, codes.memory_length)
    assert whole.encoder_allowed is not None
    assert codes.encoder_allowed is not None
    last = torch.arange(0, codes.encoder.shape[1], LEVELS)  # START, and the last code of each item
    seen = codes.encoder_allowed[..., last]
    assert torch.equal(whole.encoder_allowed, seen[last] if causal else seen)

"""Generator training at the paper's size, batch 512, on real histories, against transformers' T5.

Both see the same (history, next item) pairs. T5 pads a batch to its longest history; ours packs
histories of near length. A second row lets T5 choose the batch size it is fastest at.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator

import numpy as np
import torch

from benchmarks.speed.generator import t5
from benchmarks.speed.generator.histories import histories
from benchmarks.speed.harness import Row, compare, interleaved, seconds
from tokbench.generators.tiger import Tiger, TigerModel
from tokbench.nn.training import GradientStep
from tokbench.nn.transformer import Collator, Windows, prefix_windows
from tokbench.types import Ints, Sequences

BATCH = 512
THEIR_BATCHES = (32, 64, 128, 256)


def in_turn(step: Callable[[Ints], object], parts: Iterator[Ints]) -> Callable[[], object]:
    """A call of `step` on the next of the parts."""
    return lambda: step(next(parts))


def measure(quick: bool) -> list[Row]:
    """Sequences per second, ours and T5's."""
    torch.manual_seed(0)
    work = histories()
    config = Tiger.Config(batch_size=64 if quick else BATCH)
    model = TigerModel(config, work.ids)
    train, tokens = work.split.histories.train, model.tokens(work.ids.codes)
    windows = prefix_windows(train.offsets, config.history_items)
    peer = t5.t5_with_weights_of(model.network)
    padded = Collator(train.items, tokens, causal=False)
    other = t5.PaddedTraining(peer, padded, windows, config.learning_rate)
    ours = our_step(model, train)
    sizes = [size for size in (*THEIR_BATCHES, BATCH) if size <= config.batch_size]
    best = min(sizes, key=lambda size: seconds_each(other.step, windows, size))
    rows = []
    for size, floor, aim in ((config.batch_size, 3.0, 6.0), (best, 2.0, 3.5)):
        mine, theirs = batches(windows, config.batch_size), batches(windows, size)
        pairs = interleaved(
            in_turn(ours, mine),
            in_turn(other.step, theirs),
            rounds=1 if quick else 3,
        )
        print(f"batch {size}: {pairs}", file=sys.stderr)
        rows.append(
            compare(
                f"generator training, paper size, batch {config.batch_size}",
                f"{t5.NAME}, padded to the batch maximum, batch {size}"
                + (", its best" if floor == 2.0 else ""),
                pairs,
                amount=config.batch_size,
                their_amount=size,
                unit="sequences/s",
                floor=floor,
                aim=aim,
                note=f"histories of {work.name}",
            )
        )
    return rows


def our_step(model: TigerModel, train: Sequences) -> Callable[[Ints], object]:
    """One update as the generator `tiger` makes it."""
    rate = model.config.learning_rate
    optimizer = torch.optim.AdamW(model.network.parameters(), lr=rate, fused=True)
    return GradientStep(model.network.train(), model.examples(train, "cpu"), optimizer)


def batches(windows: Windows, size: int) -> Iterator[Ints]:
    """Random rows without end, the same for everyone who asks for this size."""
    rng = np.random.default_rng(0)
    return (rng.choice(len(windows), size, replace=False) for _ in itertools.count())


def seconds_each(step: Callable[[Ints], object], windows: Windows, size: int) -> float:
    """Seconds per sequence at this batch size, over at least 256 sequences after a warm-up."""
    drawn = batches(windows, size)
    step(next(drawn))
    steps = max(1, 256 // size)
    took = sum(seconds(lambda: step(next(drawn))) for _ in range(steps))
    print(f"{t5.NAME}, batch {size}: {size * steps / took:.1f} sequences/s", file=sys.stderr)
    return took / steps / size

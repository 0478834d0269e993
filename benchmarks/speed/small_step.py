"""A training step of the quick profile's generator against its FLOPs at sgemm peak.

At this size products are small, and Python and memory traffic take most of the time. With more
threads a single small product gains little, so one thread uses its share of the machine better:
cells of a grid in processes of one thread each are the way to use all cores.

`executed` counts the FLOPs of the products that run, padding included; `useful` those of the same
windows packed without padding.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed.generator.histories import Work, histories
from benchmarks.speed.harness import Row, interleaved, peak_flops
from tokbench.generators.tiger import Tiger, TigerModel
from tokbench.nn.training import Examples, GradientStep
from tokbench.nn.transformer import Collator, MicroBatch, prefix_windows, sequence_windows
from tokbench.types import Ints, Sequences

FLOOR, AIM = 0.15, 0.35


def measure(quick: bool) -> list[Row]:
    """Shares of the peak with all threads and with one."""
    work, all_threads = histories(), torch.get_num_threads()
    rows = []
    for threads in sorted({all_threads, 1}, reverse=True):
        torch.set_num_threads(threads)
        rows += shares(work, threads, steps=5 if quick else 30, rounds=2 if quick else 5)
    torch.set_num_threads(all_threads)
    return rows


def shares(work: Work, threads: int, *, steps: int, rounds: int) -> list[Row]:
    """Executed and useful FLOP/s of the step over those of a large product."""
    torch.manual_seed(0)
    model = TigerModel(Tiger.Config(**Tiger.presets["quick"]), work.ids)
    train = work.split.histories.train
    examples, size = model.examples(train, "cpu"), model.config.batch_size
    rng = np.random.default_rng(0)
    drawn = [rng.choice(examples.count, size, replace=False) for _ in range(steps)]
    executed, useful = (
        flops(model, some, drawn) for some in (examples, without_padding(model, train))
    )
    optimizer = torch.optim.AdamW(model.network.parameters(), lr=1e-3, fused=True)
    step = GradientStep(model.network.train(), examples, optimizer)
    peaks: list[float] = []
    pairs = interleaved(
        lambda: [step(rows) for rows in drawn],
        lambda: peaks.append(peak_flops()),
        rounds=rounds,
    )
    rates = [(executed / mine, peak) for (mine, _), peak in zip(pairs, peaks[1:], strict=True)]
    per_step = sorted(mine for mine, _ in pairs)[rounds // 2] / steps
    print(f"{threads} threads: {per_step * 1e3:.1f} ms a step, {rates}", file=sys.stderr)
    ratios = sorted(mine / peak for mine, peak in rates)
    row = Row(
        f"quick profile's training step, {threads} threads: executed FLOPs",
        f"sgemm peak with {threads} threads",
        "GFLOP/s",
        sorted(mine for mine, _ in rates)[rounds // 2] / 1e9,
        sorted(peak for _, peak in rates)[rounds // 2] / 1e9,
        ratios[rounds // 2],
        ratios[0],
        ratios[-1],
        FLOOR,
        AIM,
        f"{per_step * 1e3:.1f} ms a step of {size} windows of {work.name}",
    )
    share = useful / executed
    return [
        row,
        replace(
            row,
            work=row.work.replace("executed", "useful"),
            ours=row.ours * share,
            ratio=row.ratio * share,
            low=row.low * share,
            high=row.high * share,
            floor=None,
            aim=None,
            note=f"padding is {1 - share:.0%} of the executed FLOPs",
        ),
    ]


def without_padding(model: TigerModel, train: Sequences) -> Examples[MicroBatch]:
    """The model's examples in groups of exactly equal length."""
    causal = model.config.encoder_attention == "causal"
    windows = (sequence_windows if causal else prefix_windows)(
        train.offsets, model.config.history_items
    )
    tokens = model.tokens(model.ids.codes)
    exact = Collator(train.items, tokens, causal=causal, overhead=0)
    examples = model.examples(train, "cpu")
    return replace(examples, micro_batches=partial(exact.micro_batches, windows))


def flops(model: TigerModel, examples: Examples[MicroBatch], drawn: list[Ints]) -> float:
    """Of the forward and backward passes over all the batches."""
    optimizer = torch.optim.SGD(model.network.parameters())
    step = GradientStep(model.network, examples, optimizer)
    counter: Any = FlopCounterMode(display=False)
    with counter:
        for rows in drawn:
            step.accumulate(examples.micro_batches(rows))
    model.network.zero_grad()
    return float(counter.get_total_flops())

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
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed.generator.histories import Work, histories
from benchmarks.speed.harness import Row, interleaved, peak_flops
from tokbench.generators.tiger import Tiger, TigerModel, training_plan
from tokbench.nn.training.seq2seq import Recipe, backward, train_step
from tokbench.nn.transformer.packing import Ints, Packer, Windows

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
    model = TigerModel(Tiger.Config(**Tiger.presets["quick"]), work.ids, "cpu")
    train = work.split.histories.train
    packer, windows, recipe = training_plan(model, train, "cpu")
    rng = np.random.default_rng(0)
    drawn = [rng.choice(len(windows), recipe.batch_size, replace=False) for _ in range(steps)]
    exact = Packer(train.items, model.tokens(work.ids.codes), causal=packer.causal, overhead=0)
    executed, useful = (flops(model, p, windows, drawn) for p in (packer, exact))
    optimizer = torch.optim.AdamW(model.network.parameters(), lr=1e-3, fused=True)
    model.network.train()
    peaks: list[float] = []
    pairs = interleaved(
        lambda: run(model, optimizer, packer, windows, drawn, recipe),
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
        f"{per_step * 1e3:.1f} ms a step of {recipe.batch_size} windows of {work.name}",
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


def run(
    model: TigerModel,
    optimizer: torch.optim.Optimizer,
    packer: Packer,
    windows: Windows,
    drawn: list[Ints],
    recipe: Recipe,
) -> None:
    """The steps of the row."""
    for rows in drawn:
        train_step(model.network, optimizer, packer, windows, rows, recipe)


def flops(model: TigerModel, packer: Packer, windows: Windows, drawn: list[Ints]) -> float:
    """Of the forward and backward passes over all the batches."""
    counter: Any = FlopCounterMode(display=False)
    with counter:
        for rows in drawn:
            backward(model.network, packer.chunks(windows, rows))
    model.network.zero_grad()
    return float(counter.get_total_flops())

"""Absolute figures on one CUDA device: training, decoding, CoST, runs side by side.

Without a device there are no rows. `measure(True, "cpu")` walks the same code at tiny sizes.
Compared with a goal, a row's ratio is how many times better than the goal ours is.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.speed.generator.histories import Work, histories
from benchmarks.speed.generator_training import batches
from benchmarks.speed.harness import Row, compare, interleaved, seconds
from benchmarks.speed.small_step import flops, without_padding
from tokbench.api import Runtime
from tokbench.generators.tiger import Tiger, TigerModel
from tokbench.nn.devices import on_cuda
from tokbench.nn.training import GradientStep
from tokbench.nn.transformer import prefix_windows
from tokbench.pipeline.devices import find_precision
from tokbench.tokenizers.cost import Cost
from tokbench.types import Catalog, Sequences


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    generator: dict[str, int]  # options that shrink the paper's size
    steps: int  # of training in a round
    rounds: int
    users: int  # of decoding
    items: int  # of CoST
    epochs: int
    beside: int  # small runs at once,
    beside_epochs: int  # each of so many epochs


FULL = Scale({}, 100, 5, 40_000, 37_347, 100, 4, 20)
TINY_MODEL = {"d_model": 16, "d_ff": 16, "heads": 2, "d_head": 8, "batch_size": 32,
              "encoder_layers": 1, "decoder_layers": 1}  # fmt: skip
TINY = Scale(TINY_MODEL, 2, 1, 60, 600, 2, 2, 1)


def measure(quick: bool, device: str = "cuda") -> list[Row]:
    """Every figure; none where the device is absent."""
    if on_cuda(device) and not torch.cuda.is_available():
        print("gpu: no CUDA device here, nothing measured", file=sys.stderr)
        return []
    scale = TINY if quick else FULL
    work = histories()
    rows: list[Row] = []
    parts: list[Callable[[], Iterable[Row]]] = [
        lambda: training(work, scale, device),
        lambda: [decoding(work, scale, device)],
        lambda: [cost(scale, device)],
        lambda: [side_by_side(scale, device)],
    ]
    for part in parts:
        for row in part():
            print(row, file=sys.stderr, flush=True)
            rows.append(row)
    return rows


def training(work: Work, scale: Scale, device: str) -> list[Row]:
    """Sequences a second with recorded passes and without, and the share of the card's peak."""
    torch.manual_seed(0)
    model = TigerModel(Tiger.Config(**scale.generator), work.ids)
    network, config = model.network.to(device).train(), model.config
    train = work.split.histories.train
    examples = model.examples(train, device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, fused=True)
    precision = find_precision("auto", device)
    graphed = GradientStep(network, examples, optimizer, precision=precision)
    plain = GradientStep(
        network, replace(examples, recordable=False), optimizer, precision=precision
    )
    windows = prefix_windows(train.offsets, config.history_items)
    drawn = list(itertools.islice(batches(windows, config.batch_size), scale.steps))
    sequences = config.batch_size * scale.steps
    pairs = interleaved(
        lambda: [graphed(rows) for rows in drawn],
        lambda: [plain(rows) for rows in drawn],
        rounds=scale.rounds,
    )
    note = f"bf16; histories of {work.name}"
    name = f"generator training, paper size, batch {config.batch_size}"
    recorded = compare(
        f"{name}, recorded passes", "the same passes launched kernel by kernel", pairs,
        amount=sequences, unit="sequences/s", note=note,
    )  # fmt: skip
    host = TigerModel(config, work.ids)
    useful = flops(host, without_padding(host, train), drawn[:1]) * scale.steps
    peak = peak_flops(device)
    shares = sorted(useful / mine / peak for mine, _ in pairs)
    middle = shares[len(shares) // 2]
    use = Row(
        f"{name}, model FLOP use", "a large bf16 product on the same card", "TFLOP/s",
        middle * peak / 1e12, peak / 1e12, middle, shares[0], shares[-1], aim=0.4,
        note=f"{note}; FLOPs of the real tokens only",
    )  # fmt: skip
    return [recorded, use]


def peak_flops(device: str) -> float:
    """FLOP/s of a square bf16 product."""
    size = 8192 if on_cuda(device) else 256
    a = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    a @ a
    return 2.0 * size**3 / min(seconds(lambda: a @ a) for _ in range(10))


def decoding(work: Work, scale: Scale, device: str) -> Row:
    """Users a second, from histories on the host to beams on the host."""
    torch.manual_seed(0)
    model = TigerModel(Tiger.Config(**scale.generator), work.ids)
    test = work.split.test.histories
    asked = Sequences.of([test[row % len(test)] for row in range(scale.users)])
    runtime = Runtime(device=device, precision=find_precision("auto", device))
    model.generate(asked, width=50, runtime=runtime)
    taken = [
        seconds(lambda: model.generate(asked, width=50, runtime=runtime))
        for _ in range(scale.rounds)
    ]
    rates = sorted(scale.users / each for each in taken)
    return against_goal(
        f"constrained beam search, 50 wide, paper size, {len(work.ids)} items", "users/s",
        rates, 20_000.0, f"histories of {work.name}, repeated to {scale.users} users",
    )  # fmt: skip


def cost(scale: Scale, device: str) -> Row:
    """CoST from embeddings to codes, by its own tokenizer class."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, 768)).astype(np.float32)
    x = centres[rng.integers(0, 200, scale.items)]
    x += 0.5 * rng.standard_normal(x.shape).astype(np.float32)
    names = tuple(str(item) for item in range(scale.items))
    catalog = Catalog(names, names, x / np.linalg.norm(x, axis=1, keepdims=True))
    tokenizer = Cost.of(epochs=scale.epochs, minimum_steps=0, minimum_distinct=0.0)
    runtime = Runtime(device=device)
    taken = sorted(
        seconds(lambda: tokenizer.tokenize(catalog, seed=0, runtime=runtime)) for _ in range(2)
    )
    name = f"CoST, {scale.items} x 768, {scale.epochs} epochs, floor 15 s and aim 5 s"
    per_second = sorted(1 / each for each in taken)
    return against_goal(name, "runs/s", per_second, 1 / 15, "clustered random embeddings", aim=3.0)


def against_goal(
    work: str, unit: str, rates: list[float], goal: float, note: str, aim: float | None = None
) -> Row:
    """A row against a figure to reach; `rates` ascend."""
    middle = rates[len(rates) // 2]
    return Row(
        work, "goal", unit, middle, goal, middle / goal, rates[0] / goal, rates[-1] / goal,
        floor=1.0, aim=aim, note=note,
    )  # fmt: skip


def side_by_side(scale: Scale, device: str) -> Row:
    """Small runs as processes at once on one card, against one after the other."""
    with tempfile.TemporaryDirectory() as folder:

        def start(seed: int, turn: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen(small_run(seed, Path(folder) / turn / str(seed), scale, device))

        def finish(process: subprocess.Popen[bytes]) -> None:
            if process.wait():
                raise RuntimeError(f"a run failed: {process.args!r}")

        def one_by_one() -> None:
            for seed in range(scale.beside):
                finish(start(seed, "alone"))

        def at_once() -> None:
            for process in [start(seed, "together") for seed in range(scale.beside)]:
                finish(process)

        pairs = [(seconds(at_once), seconds(one_by_one))]
    return compare(
        f"{scale.beside} runs of the quick profile on one card, processes at once",
        "the same processes one by one",
        pairs,
        amount=scale.beside,
        unit="runs/s",
        note=f"toy catalogue, {scale.beside_epochs} epochs; start of the processes included",
    )


def small_run(seed: int, folder: Path, scale: Scale, device: str) -> list[str]:
    """The command of one cell with a store and results of its own."""
    script = "from tokbench.cli import main; main()"
    return [
        sys.executable, "-c", script, "run", "--dataset", "toy", "--encoder", "tfidf",
        "--profile", "quick", "--tokenizer", "random", "--seed", str(seed), "--no-baselines",
        "--set", f"generator.epochs={scale.beside_epochs}", "--device", device,
        "--cache", str(folder / "cache"), "--results", str(folder / "results"),
    ]  # fmt: skip

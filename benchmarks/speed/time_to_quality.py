"""Seconds to the validation NDCG@10 that a padded transformers T5 reaches in ten epochs.

All read the same histories, the last 10 items of each. T5 has the size of tiger's quick preset and
trains on every (history, next item) pair in padded batches. Ours may use any option: tiger's causal
encoder supervises every position of a sequence in one pass, and rq-transformer, the quick profile's
generator, does so with one position per item. A last row is the price or the gain of the causal
encoder by itself: our bidirectional one, which is T5's own model, against it.

Seconds are the processor's, of one thread, so that another process beside this one changes little.
T5's are those of its training steps alone, up to its best epoch; its validation, by our beam search
with its weights copied in, is left out. Ours include validating after every epoch. The curves are
in turn, not interleaved: a run is minutes, and the ratio is large.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from benchmarks.speed.generator import t5
from benchmarks.speed.generator.histories import Work, meaningful
from benchmarks.speed.harness import Row
from tokbench.api import Runtime
from tokbench.generators.network import NetworkGenerator
from tokbench.generators.rq_transformer import RqTransformer
from tokbench.generators.tiger import Tiger, TigerModel
from tokbench.generators.validation import sample, validate
from tokbench.nn.transformer import Collator, prefix_windows

Curve = list[tuple[float, float]]  # seconds since the start, validation NDCG@10
EPOCHS, THEIR_BATCH, THEIR_RATE = 10, 128, 1e-3
# Histories of 10 items, for everyone, so that T5's ten epochs take minutes.
SIZE: Mapping[str, Any] = {**Tiger.presets["quick"], "history_items": 10}
USERS = 1000  # of validation


def measure(quick: bool) -> list[Row]:
    """Seconds of theirs over ours, and the two encoders against each other."""
    torch.set_num_threads(1)
    work = meaningful(small=quick)
    users = 100 if quick else USERS
    theirs = their_curve(work, epochs=1 if quick else EPOCHS, users=users)
    tiger = {**SIZE, "validation_users": users}
    causal = our_curve(work, Tiger, {**tiger, "epochs": 2 if quick else 20})
    items = {"history_items": SIZE["history_items"], "minimum_steps": 0, "validation_users": users}
    rq = our_curve(work, RqTransformer, {**items, "epochs": 2 if quick else 16})
    both_ways = {
        "encoder_attention": "bidirectional",
        "batch_size": THEIR_BATCH,
        "learning_rate": THEIR_RATE,
        "epochs": 1 if quick else EPOCHS,
    }
    bidirectional = our_curve(work, Tiger, {**tiger, **both_ways})
    return [
        row(f"seconds to quality, rq-transformer, {work.name}", t5.NAME, rq, theirs, 10.0, 20.0),
        row(f"seconds to quality, tiger, {work.name}", t5.NAME, causal, theirs, 5.0, 20.0),
        row(f"causal encoder, {work.name}", "bidirectional encoder, ours", causal, bidirectional),
    ]


def row(
    work: str, against: str, ours: Curve, theirs: Curve,
    floor: float | None = None, aim: float | None = None,
) -> Row:  # fmt: skip
    """Seconds until each first has the best that `theirs` ever has."""
    goal = max(quality for _, quality in theirs)
    their_seconds = next(seconds for seconds, quality in theirs if quality >= goal)
    best = max(quality for _, quality in ours)
    our_seconds = next((seconds for seconds, quality in ours if quality >= goal), float("inf"))
    ratio = their_seconds / our_seconds
    note = f"NDCG@10 {goal:.4f} in {len(theirs)} epochs; ours comes to {best:.4f}"
    note += f" after {ours[-1][0]:.0f} s; one run each"
    return Row(
        work, against, "s", our_seconds, their_seconds, ratio, ratio, ratio, floor, aim, note
    )


class Clock(Runtime):
    """Writes down the processor's seconds at each epoch."""

    def log(self, **values: float) -> None:
        super().log(**values, processor=time.process_time())


def our_curve(work: Work, kind: type[NetworkGenerator[Any]], options: Mapping[str, Any]) -> Curve:
    """Training through the generator itself, validated after every epoch."""
    runtime, began = Clock(), time.process_time()
    generator = kind.of(**{**options, "eval_every": 1, "patience": 100})
    generator.train(work.catalog, work.split.histories, work.ids, seed=0, runtime=runtime)
    curve = [(line["processor"] - began, line["validation_ndcg10"]) for line in runtime.rows]
    print(f"ours, {kind.name} {options}: {curve}", file=sys.stderr)
    return curve


def their_curve(work: Work, *, epochs: int, users: int) -> Curve:
    """T5's training, a copy of its weights validated by our beam search after every epoch."""
    torch.manual_seed(0)
    config = Tiger.Config(**{**SIZE, "encoder_attention": "bidirectional"})
    model = TigerModel(config, work.ids)
    train = work.split.histories.train
    windows = prefix_windows(train.offsets, config.history_items)
    padded = Collator(train.items, model.tokens(work.ids.codes), causal=False)
    training = t5.PaddedTraining(t5.t5_with_weights_of(model.network), padded, windows, THEIR_RATE)
    rng, spent = np.random.default_rng(0), 0.0
    # The users that `tiger` draws for its own validation at seed 0.
    queries = sample(work.split.histories.validation, users, np.random.default_rng(0))
    curve: Curve = []
    for epoch in range(epochs):
        training.peer.train()
        began = time.process_time()
        for rows in np.array_split(rng.permutation(len(windows)), -(-len(windows) // THEIR_BATCH)):
            training.step(rows)
        spent += time.process_time() - began
        t5.copy_weights_of(training.peer, model.network)
        score = validate(model, work.ids, queries, width=config.validation_width, runtime=Runtime())
        curve.append((spent, score["validation_ndcg10"]))
        print(f"{t5.NAME}, epoch {epoch + 1}: {curve[-1]}", file=sys.stderr)
    return curve

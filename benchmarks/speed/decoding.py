"""Constrained beam search, 50 wide, at the paper's size, against transformers' generate.

Twice: at batch 32, at which the field's scripts call it, and at the batch that is best for it.

The weights are the same (random: time does not depend on them), the tuples are those of the items,
the histories are the test histories. The scores of both are compared before anything is timed.
"""

from __future__ import annotations

import itertools
import sys
from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.speed.generator import t5
from benchmarks.speed.generator.histories import Work, histories
from benchmarks.speed.harness import Row, compare, interleaved, seconds
from tokbench.api import Runtime
from tokbench.generators.tiger import Tiger, TigerModel
from tokbench.nn.transformer import Collator
from tokbench.types import Ints, Sequences

WIDTH = 50
THEIR_BATCHES = (8, 16, 32, 64)
USUAL_BATCH = 32
THEIR_USERS = 64  # a round: histories differ in length, so that one small batch says little


def measure(quick: bool) -> list[Row]:
    """Users per second, ours and theirs at the batch size that is best for them."""
    torch.manual_seed(0)
    work = histories()
    model = TigerModel(Tiger.Config(), work.ids)
    theirs = Peer(model, work)
    difference = largest_difference(model, theirs, work, users=4 if quick else 16)
    sizes = (8,) if quick else THEIR_BATCHES
    best = min(sizes, key=lambda size: seconds(lambda: theirs.rounds(size)))
    users = 32 if quick else 512
    blocks = itertools.count()

    def ours() -> None:
        first = users * next(blocks) % (len(work.split.test) - users)
        generate(model, work, np.arange(first, first + users))

    rounds = 1 if quick else 5
    rows = []
    for batch in sorted({best, sizes[0] if quick else USUAL_BATCH}):
        pairs = interleaved(ours, partial(theirs.rounds, batch), rounds=rounds)
        print(f"beam {WIDTH}, their batch {batch}: {pairs}", file=sys.stderr)
        row = compare(
            f"constrained beam search, {WIDTH} wide, paper size, {len(work.ids)} items",
            f"{t5.NAME}.generate with prefix_allowed_tokens_fn, batch {batch}"
            + (", its best" if batch == best else ""),
            pairs,
            amount=users,
            their_amount=THEIR_USERS,
            unit="users/s",
            floor=15.0,
            aim=25.0,
            note=f"histories of {work.name}; equal scores to {difference:.0e}",
        )
        rows.append(row)
    return rows


def generate(model: TigerModel, work: Work, rows: Ints) -> tuple[np.ndarray, np.ndarray]:
    """Codes and scores of our beams for some test users."""
    asked = Sequences.of([work.split.test.histories[row] for row in rows])
    beams = model.generate(asked, width=WIDTH, runtime=Runtime())
    return beams.codes, beams.scores


class Peer:
    """T5 with the model's weights, answering for test users in turn."""

    def __init__(self, model: TigerModel, work: Work) -> None:
        self.peer, self.levels = t5.t5_with_weights_of(model.network), work.ids.levels
        self.allowed = t5.allowed_next(model.tokens(model.tuples))
        self.histories, self.keep = work.split.test.histories, model.config.history_items
        self.collator = Collator(self.histories.items, model.tokens(work.ids.codes), causal=False)
        self.next = 0

    def rounds(self, batch: int) -> None:
        """Beams of the next THEIR_USERS users, `batch` at a time."""
        for _ in range(THEIR_USERS // batch):
            self.beams(np.arange(self.next, self.next + batch))
            self.next = (self.next + batch) % (len(self.histories) - max(THEIR_BATCHES))

    def beams(self, rows: Ints) -> tuple[Tensor, Tensor]:
        """Tokens and scores."""
        stop = self.histories.offsets[rows + 1]
        start = np.maximum(self.histories.offsets[rows], stop - self.keep)
        tokens, _, length = self.collator.read(start, stop)
        mask = torch.ones_like(tokens)
        if length is not None:
            mask = (torch.arange(tokens.shape[1]) < length).long()
        with torch.inference_mode():
            return t5.beam_search(
                self.peer, tokens, mask, self.allowed, levels=self.levels, width=WIDTH
            )


def largest_difference(model: TigerModel, theirs: Peer, work: Work, *, users: int) -> float:
    """Between the sorted scores of both; raises where they are not the same search."""
    rows = np.arange(users)
    codes, ours = generate(model, work, rows)
    tokens, scores = theirs.beams(rows)
    difference = float(np.abs(ours - scores.numpy()).max())
    first = (model.tokens(codes) == tokens.numpy()).all(axis=2)[:, 0].mean()
    print(f"scores differ by {difference:.1e}, best beams agree: {first:.2f}", file=sys.stderr)
    if difference > 1e-3:
        raise AssertionError(f"not the same search: scores differ by {difference}")
    return difference

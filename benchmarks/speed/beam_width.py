"""The price of a beam's width: how many of the exact 40 likeliest tuples it finds, and how fast.

On trained models: those of the quick profile that are in the artifact store already (a run of
`tokbench run --dataset office-5core --encoder minilm --profile quick ...` leaves them there), or,
where there are none, one trained here for a few epochs on tf-idf codes. The truth is a beam as wide
as the catalogue, which leaves nothing out (tests/nn/transformer/test_beam.py proves it exhaustive).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.speed.generator.histories import REAL
from benchmarks.speed.harness import Row, seconds
from tokbench.api import Runtime
from tokbench.datasets.folder import find_folder
from tokbench.datasets.prepared import data_roots
from tokbench.generators.tiger import TigerModel
from tokbench.pipeline.cell import DataCache
from tokbench.pipeline.context import RunContext
from tokbench.pipeline.files import read_ids, read_weights
from tokbench.pipeline.grid import run_grid
from tokbench.pipeline.plan import find_stages, plan_grid
from tokbench.pipeline.resolve import Request, make_request, resolve
from tokbench.pipeline.store import Store
from tokbench.registry.registry import build_registry
from tokbench.scoring.metrics import recall
from tokbench.scoring.placement import place
from tokbench.scoring.splits import Split
from tokbench.types import Beams, Queries, Sequences

TOKENIZERS = ("random", "hierarchical-kmeans", "rqvae", "cost")
WIDTHS = (40, 50, 64, 100, 200)
DEPTH = 40  # the deepest cutoff of the paper's tables


def measure(quick: bool) -> list[Row]:
    """A row for every model and width."""
    users = 20 if quick else 200
    return [
        row
        for name, model, split in models(epochs=1 if quick else 15)
        for row in widths(name, model, sample(split.test, users))
    ]


def models(*, epochs: int) -> Iterator[tuple[str, TigerModel, Split]]:
    """The trained models of the store by tokenizer, or one trained here."""
    dataset = REAL if find_folder(REAL, data_roots()) else "toy"
    asked = [request(dataset, "minilm", tokenizer) for tokenizer in TOKENIZERS]
    stored = [one for one in asked if is_trained(one, RunContext())]
    yield from (trained(one, RunContext()) for one in stored)
    if not stored:
        print("no trained model in the store: training one", file=sys.stderr)
        one = request(dataset, "tfidf", "hierarchical-kmeans", f"generator.epochs={epochs}")
        with tempfile.TemporaryDirectory() as folder:
            yield trained(one, RunContext(Path(folder), Path(folder)))


def request(dataset: str, encoder: str, tokenizer: str, *overrides: str) -> Request:
    """One cell of the quick profile."""
    return make_request(
        datasets=(dataset,),
        tokenizers=(tokenizer,),
        encoder=encoder,
        profile="quick",
        baselines=False,
        overrides=overrides,
    )


def is_trained(one: Request, context: RunContext) -> bool:
    """Is the cell's generator in the store?"""
    (planned,) = plan_grid(one, context)
    return "train" in planned.ready


def trained(one: Request, context: RunContext) -> tuple[str, TigerModel, Split]:
    """The model of the cell from the store, trained first where it is not there."""
    (cell,) = resolve(one, build_registry())
    if not is_trained(one, context):
        run_grid(one, context)
    data = DataCache(context.runtime())
    keys, store = find_stages(cell, context, data).keys, Store(context.store)
    state = read_weights(store.folder("train", keys["train"]))
    ids = read_ids(store.folder("address", keys["address"]))
    of = (f"{one.tokenizers[0]} codes of {one.datasets[0]}", one.encoder, *one.overrides)
    model = cell.generator.restore(state, ids)
    assert isinstance(model, TigerModel)
    return ", ".join(of), model, data.of(cell).split


def widths(name: str, model: TigerModel, queries: Queries) -> list[Row]:
    """What each width finds of the exact best, as a share, and its users per second."""
    everything = len(model.tuples)
    exact = search(model, queries.histories, everything)
    depth = min(DEPTH, everything)
    truth = as_sets(exact, depth)
    hits = float(recall(place(first(exact, depth), model.ids, queries.targets), depth).mean())
    rows = []
    for width in WIDTHS:
        beams = search(model, queries.histories, width)
        took = seconds(partial(search, model, queries.histories, width))
        found = as_sets(beams, width)
        shares = np.array([len(t & f) / depth for t, f in zip(truth, found, strict=True)])
        same = float(np.mean([t == f for t, f in zip(truth, as_sets(beams, depth), strict=True)]))
        reached = recall(place(beams, model.ids, queries.targets), depth).mean()
        low, high = np.quantile(shares, [0.05, 0.95])
        rows.append(
            Row(
                f"beam {width}: exact best {depth} found, {name}",
                f"scoring all {everything} tuples",
                "tuples",
                float(shares.mean()) * depth,
                depth,
                float(shares.mean()),
                float(low),
                float(high),
                note=f"range: 90 % of {len(queries)} users; whole list exact for {same:.0%}; "
                f"R@{depth} {reached:.4f} (exact {hits:.4f}); {len(queries) / took:.0f} users/s",
            )
        )
        print(rows[-1].work, rows[-1].ratio, rows[-1].note, file=sys.stderr)
    return rows


def search(model: TigerModel, histories: Sequences, width: int) -> Beams:
    """The model's beams."""
    return model.generate(histories, width=width, runtime=Runtime())


def first(beams: Beams, count: int) -> Beams:
    """Only the best of each user."""
    return Beams(beams.codes[:, :count], beams.scores[:, :count])


def as_sets(beams: Beams, count: int) -> list[set[tuple[int, ...]]]:
    """The best `count` tuples of each user."""
    return [{tuple(code) for code in user} for user in beams.codes[:, :count].tolist()]


def sample(queries: Queries, count: int) -> Queries:
    """`count` users at random."""
    rows = np.sort(np.random.default_rng(0).permutation(len(queries))[:count])
    asked = Sequences.of([queries.histories[row] for row in rows])
    return Queries(queries.users[rows], asked, queries.targets[rows])

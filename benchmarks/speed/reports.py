"""Seconds of `tokbench report` and of the site on 1,000 records: 10 datasets, each of them like
office-5core with 34 methods of three seeds.

A synthetic record is a committed one with the outcomes of a fifth of its users drawn again among
its users, its items in another order, and what follows from both made again: it passes `tokbench
verify`. Each command runs in a process of its own. A row's ratio is the limit over what was
measured; the processor's seconds stand in the note, since a busy machine does not change them.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.speed.harness import Row
from tokbench.schema.record import (
    Figure,
    Outcome,
    Packed,
    Record,
    pack_placement,
    read_records,
    write_record,
)
from tokbench.scoring.metrics import CUTOFFS, TIES, ndcg, recall
from tokbench.types import Placement, SemanticIds

RESULTS = Path(__file__).parents[2] / "results/office-5core"
RECORDS, DATASETS, SEEDS = 1000, 10, 3
AGAIN = 0.2  # share of users whose outcome is drawn again
WORKS = {  # command -> seconds it may take
    "report": 3.0,
    "report overview": 3.0,
    "report slices": 30.0,
    "report site --out {out}": 30.0,
    "verify": 30.0,
}


def measure(quick: bool) -> list[Row]:
    """A row for every command."""
    size = RECORDS // 10 if quick else RECORDS
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "results"
        print(f"reports: writing {size} records", file=sys.stderr, flush=True)
        for record in synthetic(size):
            write_record(record, made)
        return [timed(work, size, made, limit) for work, limit in WORKS.items()]


def timed(work: str, size: int, results: Path, limit: float) -> Row:
    """One command on a folder of records, in a fresh process."""
    print(f"reports: {work}", file=sys.stderr, flush=True)
    (*words,) = work.format(out=results.parent / "site").split()
    place = 2 if words[0] == "report" and len(words) > 1 else 1
    words.insert(place, str(results))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "from tokbench.cli import main; main()", *words],
                   stdout=subprocess.DEVNULL, env=os.environ | {"COLUMNS": "200"})  # fmt: skip
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    ratio = limit / wall
    title = f"tokbench {work.partition(' --')[0]}, {size:,} records"
    note = f"{processor:.1f} s of a processor"
    return Row(title, f"{limit:g} s", "s", wall, limit, *(ratio,) * 3, 1.0, note=note)


def synthetic(size: int) -> Iterator[Record]:
    """So many records, dataset by dataset."""
    methods: dict[tuple[str, ...], Record] = {}
    for record in read_records(RESULTS):
        spec = record.spec
        if record.outcome is not None and record.outcome.queries is not None:
            methods.setdefault(
                (spec.tokenizer.label, spec.collision_policy, spec.generator.label), record
            )
    rng = np.random.default_rng(0)
    made = 0
    for dataset in range(DATASETS):
        for model in methods.values():
            for seed in range(SEEDS):
                if made == size * (dataset + 1) // DATASETS:
                    break
                yield another(model, f"synthetic-{dataset}", seed, rng)
                made += 1


def another(record: Record, dataset: str, seed: int, rng: np.random.Generator) -> Record:
    """A record as another run on another dataset might have left it."""
    assert record.outcome is not None
    label = record.spec.dataset.label.replace(record.spec.dataset.name, dataset)
    data = record.spec.dataset.model_copy(
        update={"name": dataset, "label": label, "inputs": {"sequences.jsonl": digest(dataset)}}
    )
    spec = record.spec.model_copy(
        update={"dataset": data, "tokenizer_seed": seed, "generator_seed": seed}
    )
    outcome = redrawn(record.outcome, digest(dataset), rng)
    return record.model_copy(update={"spec": spec, "run_id": spec.run_id, "outcome": outcome})


def redrawn(outcome: Outcome, data: str, rng: np.random.Generator) -> Outcome:
    """Other users' outcomes for a fifth of the users, and the items in another order."""
    users = np.arange(outcome.users)
    drawn = rng.random(outcome.users) < AGAIN
    users[drawn] = rng.integers(0, outcome.users, int(drawn.sum()))
    old = outcome.read_placement()
    placement = Placement(old.position[users], old.ahead[users], old.group[users])
    assert outcome.queries is not None
    longest = outcome.queries["shared_prefix"].array()[users]
    figures = dict(outcome.figures)
    for name, values in ranked(placement):
        figures[name] = figure(values)
    for level in range(1, len(outcome.level_sizes) + 1):
        share = (longest >= level).astype(float)
        figures[f"decoding/survival/level{level}"] = figure(share)
    millibits = None
    if outcome.millibits is not None:
        bits = outcome.millibits.array()[users]
        millibits, figures["bits"] = Packed.of(bits), figure(bits / 1000)
    order = rng.permutation(outcome.items)
    codes = outcome.codes.array()[order]
    raw = codes if outcome.raw_codes is None else outcome.raw_codes.array()[order]
    digests = {
        "dataset": data,
        "split": data,
        "address": ids_digest(codes, outcome.level_sizes),
        "tokenize": ids_digest(raw, outcome.level_sizes[: raw.shape[1]]),
    }
    return outcome.model_copy(update={
        "figures": figures, "placement": pack_placement(placement), "millibits": millibits,
        "codes": Packed.of(codes), "digests": outcome.digests | digests,
        "raw_codes": None if outcome.raw_codes is None else Packed.of(raw),
        "queries": outcome.queries | {"shared_prefix": Packed.of(longest)},
    })  # fmt: skip


def ranked(placement: Placement) -> Iterator[tuple[str, np.ndarray]]:
    """Recall and NDCG of every user at every cutoff and tie rule."""
    for metric, credit in (("recall", recall), ("ndcg", ndcg)):
        for k in CUTOFFS:
            for ties in TIES:
                name = f"{metric}@{k}" + ("" if ties == "expected" else f"/{ties}")
                yield name, credit(placement, k, ties=ties)


def figure(users: np.ndarray) -> Figure:
    """The mean with the interval of the normal law, in place of the bootstrap that a run makes."""
    mean, error = float(users.mean()), float(users.std() / np.sqrt(len(users)))
    return Figure(value=mean, low=mean - 1.96 * error, high=mean + 1.96 * error)


def ids_digest(codes: np.ndarray, sizes: Sequence[int]) -> str:
    """Of a code table."""
    return SemanticIds(codes.astype(np.int32), tuple(sizes)).digest()


def digest(text: str) -> str:
    """64 hex digits."""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":  # `python -m benchmarks.speed.reports FOLDER`: keep the records
    for one in synthetic(RECORDS):
        write_record(one, Path(sys.argv[1]))
    print(json.dumps({"records": RECORDS}))

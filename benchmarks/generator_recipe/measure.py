"""How a generator's recipe was chosen: one line of json per (generator, options, seed).

    python benchmarks/generator_recipe/measure.py FOLDER TOKENIZER OUT.jsonl < settings.txt

FOLDER is a dataset folder, TOKENIZER `NAME` or `NAME option=value ...` in quotes. A setting is a
line such as `rq-transformer width=64 dropout=0.2 seed=1`, the rest being defaults. Codes are made
once with seed 0 and the policy nearest-free, embeddings are MiniLM's (extra `minilm`). Only the
validation targets are looked at: the test items of the split are not used here. `cpu_seconds` are
those of training, validation included, with one thread.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tokbench.api import Generator, Runtime, Tokenizer
from tokbench.datasets.folder import Folder
from tokbench.encoders.minilm import MiniLm
from tokbench.registry.registry import build_registry
from tokbench.scoring.collisions import address
from tokbench.scoring.metrics import ndcg, recall
from tokbench.scoring.placement import place
from tokbench.scoring.splits import leave_one_out
from tokbench.types import Catalog, Histories, SemanticIds


def trial(
    generator: Generator, seen: Catalog, histories: Histories, ids: SemanticIds, seed: int
) -> dict[str, Any]:
    """Train once; Recall@5, @10 and NDCG@10 on all validation targets."""
    runtime, start = Runtime(), time.process_time()
    model = generator.train(seen, histories, ids, seed=seed, runtime=runtime)
    seconds = round(time.process_time() - start, 1)
    queries = histories.validation
    beams = model.generate(queries.histories, width=100, runtime=Runtime())
    placement = place(beams, ids, queries.targets)
    scores = [row.get("validation_ndcg10", -1.0) for row in runtime.rows]
    return {
        "recall5": round(float(recall(placement, 5).mean()), 4),
        "recall10": round(float(recall(placement, 10).mean()), 4),
        "ndcg10": round(float(ndcg(placement, 10).mean()), 4),
        "epoch": int(runtime.rows[int(np.argmax(scores))]["epoch"]),
        "epochs": int(runtime.rows[-1]["epoch"]),
        "parameters": sum(array.size for array in model.state().values()),
        "cpu_seconds": seconds,
    }


def main() -> None:
    torch.set_num_threads(1)
    folder, tokenizer, out = sys.argv[1:]
    registry = build_registry()
    dataset = Folder.of(path=folder).load(runtime=Runtime())
    embeddings = MiniLm().encode(dataset.texts, runtime=Runtime())
    seen = Catalog(dataset.item_ids, dataset.texts, embeddings, dataset.categories)
    name, *words = tokenizer.split()
    component = registry.get("tokenizer", name).cls.of(**dict(w.split("=", 1) for w in words))
    assert isinstance(component, Tokenizer)
    raw = component.tokenize(seen, seed=0, runtime=Runtime())
    ids = address(raw, embeddings, "nearest-free")
    histories = leave_one_out(dataset).histories
    for line in sys.stdin:
        name, *words = line.split() or [""]
        if not name:
            continue
        given = dict(word.split("=", 1) for word in words)
        seed = int(given.pop("seed", 0))
        generator = registry.get("generator", name).cls.of(**given)
        assert isinstance(generator, Generator)
        row = trial(generator, seen, histories, ids, seed)
        told = {"dataset": Path(folder).name, "tokenizer": tokenizer, "generator": name}
        text = json.dumps({**told, "seed": seed, "changed": given, **row})
        with Path(out).open("a", encoding="utf-8") as stream:
            stream.write(text + "\n")
        print(text, flush=True)


if __name__ == "__main__":
    main()

"""How the baselines' options were chosen: one line of json per (generator, options, seed).

    python benchmarks/baseline_tuning/measure.py DATASET_FOLDER OUT.jsonl < settings.txt

A setting is a line such as `sasrec width=64 dropout=0.3 seed=1`, the rest being defaults. Only
the validation targets are looked at: the test items of the split are not used here. Codes are
`item-id`, embeddings MiniLM's (extra `minilm`). `trials.jsonl` beside this file holds the trials on
office-5core (leave-one-out) behind the present defaults. Where a trial does not say `own_last`, the
history's own items came last of all, as with own_last=true (one sasrec trial says otherwise).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from tokbench.api import Generator, Runtime
from tokbench.datasets.folder import Folder
from tokbench.encoders.minilm import MiniLm
from tokbench.generators import register_generators
from tokbench.pipeline.stages import catalog
from tokbench.scoring.metrics import ndcg, recall
from tokbench.scoring.placement import place
from tokbench.scoring.splits import leave_one_out
from tokbench.tokenizers.item_id import ItemId
from tokbench.types import Catalog, Histories, SemanticIds


def trial(
    generator: Generator, seen: Catalog, histories: Histories, ids: SemanticIds, seed: int
) -> dict[str, Any]:
    """Train once; Recall@10 and NDCG@10 on the validation targets."""
    runtime, start = Runtime(), time.perf_counter()
    model = generator.train(seen, histories, ids, seed=seed, runtime=runtime)
    seconds = round(time.perf_counter() - start, 1)
    queries = histories.validation
    beams = model.generate(queries.histories, width=20, runtime=Runtime())
    placement = place(beams, ids, queries.targets)
    scores = [row.get("validation_ndcg10", -1.0) for row in runtime.rows]
    best = {"epoch": int(runtime.rows[int(np.argmax(scores))]["epoch"])} if scores else {}
    return {
        "recall10": round(float(recall(placement, 10).mean()), 4),
        "ndcg10": round(float(ndcg(placement, 10).mean()), 4),
        **best,
        "seconds": seconds,
    }


def main() -> None:
    folder, out = sys.argv[1:]
    dataset = Folder.of(path=folder).load(runtime=Runtime())
    histories = leave_one_out(dataset).histories
    settings = [line.split() for line in sys.stdin if line.strip()]
    embeddings = np.zeros((len(dataset.item_ids), 1), np.float32)
    if any(name == "content-neighbours" for name, *_ in settings):
        embeddings = MiniLm().encode(dataset.texts, runtime=Runtime())
    seen = catalog(dataset, embeddings, None)
    ids = ItemId().tokenize(seen, seed=0, runtime=Runtime())
    known = {cls.name: cls for cls in register_generators()}
    with Path(out).open("a", encoding="utf-8") as stream:
        for name, *words in settings:
            given = dict(word.split("=", 1) for word in words)
            seed = int(given.pop("seed", 0))
            generator = known[name].of(**given)
            config = generator.config.model_dump()
            row = trial(generator, seen, histories, ids, seed)
            text = json.dumps({"generator": name, "seed": seed, "options": config, **row})
            stream.write(text + "\n")
            stream.flush()
            print(text, flush=True)


if __name__ == "__main__":
    main()

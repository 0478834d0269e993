"""Which recipe serves all losses: validation NDCG@10 of a small generator, a json line per trial.

    python benchmarks/tokenizer_recipe/select_recipe.py DATASET_FOLDER OUT.jsonl < settings.txt

A setting is one line of options, such as `codebooks=separate minimum_steps=2000`; every loss
(rqvae, cost, cost:with-reconstruction) is trained with it, its codes made unique, and a quick
`tiger` of 20 epochs trained on them. Only the validation split is read. A trial that is in
OUT.jsonl already is not run again. selection.jsonl holds the trials that chose the preset `tuned`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from tokbench.api import Runtime
from tokbench.datasets.folder import Folder
from tokbench.encoders.minilm import MiniLm
from tokbench.generators.tiger import Tiger
from tokbench.pipeline import stages
from tokbench.tokenizers.cost import Cost
from tokbench.tokenizers.rqvae import RqVae

EPOCHS = 20
LOSSES: dict[str, tuple[type[RqVae], dict[str, Any]]] = {
    "rqvae": (RqVae, {}),
    "cost": (Cost, {}),
    "cost:with-reconstruction": (Cost, dict(Cost.presets["with-reconstruction"])),
}


def main() -> None:
    torch.set_num_threads(1)
    folder, out = sys.argv[1], Path(sys.argv[2])
    dataset = Folder.of(path=folder).load(runtime=Runtime())
    histories = stages.split(dataset, "leave-one-out").histories
    embeddings = stages.embed(dataset.texts, MiniLm(), Runtime())
    seen = stages.catalog(dataset, embeddings, None)
    generator = Tiger.of(**{**Tiger.presets["quick"], "epochs": EPOCHS})
    lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
    done = [{key: json.loads(line)[key] for key in ("loss", "seed", "options")} for line in lines]
    for line in sys.stdin:
        given = dict(word.split("=", 1) for word in line.split())
        seed = int(given.pop("seed", 0))
        for loss, (cls, preset) in LOSSES.items():
            trial = {"loss": loss, "seed": seed, "options": given}
            if trial in done:
                continue
            start = time.perf_counter()
            raw = stages.tokenize(seen, cls.of(**preset | given), seed, Runtime())
            ids = stages.address(raw, embeddings, "nearest-free", Runtime())
            runtime = Runtime()
            stages.train(seen, histories, ids, generator, seed, runtime)
            best = max(
                (row for row in runtime.rows if "validation_ndcg10" in row),
                key=lambda row: row["validation_ndcg10"],
            )
            found = {
                "version": cls.version,
                "distinct": len(raw.groups()[2]),
                "ndcg@10": round(best["validation_ndcg10"], 5),
                "recall@10": round(best["validation_recall10"], 5),
                "epoch": int(best["epoch"]),
                "seconds": round(time.perf_counter() - start),
            }
            with out.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(trial | found) + "\n")
            print(trial | found, flush=True)


if __name__ == "__main__":
    main()

"""What makes the quantizers train: one line of json per (options, loss, seed).

    python benchmarks/tokenizer_recipe/measure.py DATASET_FOLDER OUT.jsonl < settings.txt

A setting is one line of options, such as `learning_rate=1e-4 restart_unused=false`; every loss
(rqvae, cost, cost:with-reconstruction) is trained with it. No recall is looked at. Embeddings are
MiniLM's (extra `minilm`). `trials.jsonl` beside this file holds trials on office-5core, measured
with an earlier form of this script (same measures, options spelt out); docs/quantizer-recipe.md
reads them.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tokbench.api import Runtime
from tokbench.datasets.folder import Folder
from tokbench.encoders.minilm import MiniLm
from tokbench.errors import CollapseError
from tokbench.pipeline.stages import catalog
from tokbench.tokenizers.cost import Cost
from tokbench.tokenizers.rqvae import RqVae
from tokbench.types import Catalog

NEIGHBOURS = 10


def neighbours(vectors: np.ndarray) -> np.ndarray:
    """The ten nearest rows by cosine, [N, 10]."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    return np.argsort(-similarity, axis=1, kind="stable")[:, :NEIGHBOURS]


def variance_explained(codes: np.ndarray, x: np.ndarray, k: int) -> float:
    """R2 of a linear model of x on the one-hot codes: what the codes alone hold."""
    columns = [np.eye(k)[level] for level in codes.T]
    design = np.concatenate([*columns, np.ones((len(x), 1))], axis=1)
    weights, *_ = np.linalg.lstsq(design, x, rcond=None)
    return float(1 - ((x - design @ weights) ** 2).sum() / ((x - x.mean(0)) ** 2).sum())


def measure(model: Any, x: np.ndarray, k: int) -> dict[str, Any]:
    """Health of a trained quantizer on its catalogue."""
    with torch.no_grad():
        quantized = model.quantizer(model.latents(model.standardize(torch.tensor(x))))
        x_hat = model.decoder(quantized.z_hat).numpy()
    codes = quantized.codes.numpy()
    counts = np.unique(codes, axis=0, return_counts=True)[1]
    pairs = zip(neighbours(x), neighbours(x_hat), strict=True)
    overlap = np.mean([len(set(a) & set(b)) / NEIGHBOURS for a, b in pairs])
    used = [len(np.unique(level)) / k for level in codes.T]
    return {
        "distinct": len(counts),
        "largest": int(counts.max()),
        "used": np.round(used, 2).tolist(),
        "r2": round(variance_explained(codes, x, k), 3),
        "knn": round(float(overlap), 3),
    }


def trial(cls: type[RqVae], options: dict[str, Any], seed: int, seen: Catalog) -> dict[str, Any]:
    """Train once and measure."""
    tokenizer = cls.of(**{"minimum_distinct": 0.0} | options)
    runtime, start = Runtime(), time.perf_counter()
    try:
        fitted = tokenizer.fit(seen, seed=seed, runtime=runtime)
    except CollapseError as error:
        return {"error": str(error)}
    seconds = round(time.perf_counter() - start, 1)
    health = measure(fitted.model, seen.embeddings, tokenizer.config.codebook_size)
    return {"seconds": seconds, "steps": int(runtime.rows[-1]["steps"]), **health}


def main() -> None:
    folder, out = sys.argv[1:]
    dataset = Folder.of(path=folder).load(runtime=Runtime())
    seen = catalog(dataset, MiniLm().encode(dataset.texts, runtime=Runtime()), None)
    losses: dict[str, tuple[type[RqVae], dict[str, Any]]] = {
        "rqvae": (RqVae, {}),
        "cost": (Cost, {}),
        "cost:with-reconstruction": (Cost, dict(Cost.presets["with-reconstruction"])),
    }
    with Path(out).open("a", encoding="utf-8") as stream:
        for line in sys.stdin:
            given = dict(word.split("=", 1) for word in line.split())
            seed = int(given.pop("seed", 0))
            for name, (cls, preset) in losses.items():
                row = trial(cls, preset | given, seed, seen)
                text = json.dumps({"tokenizer": name, "seed": seed, "options": given, **row})
                stream.write(text + "\n")
                stream.flush()
                print(text)


if __name__ == "__main__":
    main()

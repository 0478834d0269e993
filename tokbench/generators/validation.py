"""Validation of a generator that is being trained: the real search, scored as the test will be."""

from __future__ import annotations

import numpy as np

from tokbench.api import GeneratorModel, Quiet, Runtime
from tokbench.scoring.metrics import ndcg, recall
from tokbench.scoring.placement import place
from tokbench.types import Queries, SemanticIds, Sequences


def validate(
    model: GeneratorModel, ids: SemanticIds, queries: Queries, *, width: int, runtime: Runtime
) -> dict[str, float]:
    """NDCG@10 and Recall@10 over items, expected under ties, by a search of this width."""
    quiet = Runtime(runtime.device, progress=Quiet(), precision=runtime.precision)
    beams = model.generate(queries.histories, width=width, runtime=quiet)
    placement = place(beams, ids, queries.targets)
    return {
        "validation_ndcg10": float(ndcg(placement, 10).mean()),
        "validation_recall10": float(recall(placement, 10).mean()),
    }


def sample(queries: Queries, count: int, rng: np.random.Generator) -> Queries:
    """`count` of the queries drawn without replacement, in order; all of them for 0."""
    if count == 0 or count >= len(queries):
        return queries
    rows = np.sort(rng.choice(len(queries), count, replace=False))
    histories = Sequences.of([queries.histories[row] for row in rows])
    return Queries(queries.users[rows], histories, queries.targets[rows])

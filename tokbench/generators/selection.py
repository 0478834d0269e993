"""Which epoch's weights a trained generator keeps: those of the best validation NDCG@10.

Validation is the real search, scored over items as the test will be (expected under ties).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tokbench.api import Quiet, Runtime
from tokbench.scoring.metrics import ndcg, recall
from tokbench.scoring.placement import place
from tokbench.types import Beams, Queries, SemanticIds, Sequences

if TYPE_CHECKING:
    from torch import nn


class Trained(Protocol):
    """A generator's model around a torch network that is being trained."""

    ids: SemanticIds

    @property
    def network(self) -> nn.Module:
        """Whose weights are kept."""

    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        """The real search."""


class BestEpoch:
    """Called after every epoch: logs it, validates when it is time, and says when to stop.

    `config` has the generator's epochs, eval_every and patience; `width` is that of the search.
    """

    def __init__(
        self, model: Trained, queries: Queries, *, config: Any, width: int, runtime: Runtime
    ) -> None:
        self.model, self.queries, self.config = model, queries, config
        self.width, self.runtime = width, runtime
        self.score, self.epoch, self.weights = -1.0, 0, dict[str, Any]()
        self.began = time.perf_counter()

    def __call__(self, epoch: int, loss: float) -> bool:
        """True when there was no better validation for `patience` of them."""
        every = self.config.eval_every
        found: dict[str, float] = {}
        if epoch % every == 0 or epoch == self.config.epochs:
            found = validate(self.model, self.queries, self.width, self.runtime)
            if found["validation_ndcg10"] > self.score:
                state = self.model.network.state_dict()
                self.weights = {name: weight.detach().clone() for name, weight in state.items()}
                self.score, self.epoch = found["validation_ndcg10"], epoch
        self.runtime.log(epoch=epoch, loss=loss, **found, seconds=time.perf_counter() - self.began)
        return bool(found) and epoch - self.epoch >= self.config.patience * every

    def restore(self) -> None:
        """Give the network the best epoch's weights, ready to search."""
        self.model.network.load_state_dict(self.weights)
        self.model.network.eval()


def validate(model: Trained, queries: Queries, width: int, runtime: Runtime) -> dict[str, float]:
    """Recall@10 and NDCG@10 over items, expected under ties, by the real search."""
    quiet = Runtime(device=runtime.device, progress=Quiet())
    beams = model.generate(queries.histories, width=width, runtime=quiet)
    placement = place(beams, model.ids, queries.targets)
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

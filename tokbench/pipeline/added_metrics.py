"""Figures of plugins' metrics: checked, and left out where they come to nothing.

A metric counts for every row, so one that fails must not: the rows are other people's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tokbench.api import Metric, Score
from tokbench.errors import ContractError, TokbenchError, one_line
from tokbench.registry.isolated.stand_in import StandIn
from tokbench.types import Floats, Placement, SemanticIds

# Beginnings of figures of tokbench's own: no plugin's metric may use them.
RESERVED = ("recall@", "ndcg@", "raw/", "intrinsic/", "decoding/", "bits")
LONGEST = 100  # characters of a figure's name


class AddedMetric(Metric):
    """A plugin's metric that raises nothing: what is wrong with it goes to `leave_out`."""

    def __init__(self, metric: Metric, leave_out: Callable[[str], None]) -> None:
        super().__init__(metric.config)
        self._metric, self._leave_out = metric, leave_out

    def score(self, placement: Placement, ids: SemanticIds, embeddings: Floats) -> dict[str, Score]:
        """The figures of the metric; none where it fails or breaks its contract."""
        try:
            found = self._metric.score(placement, ids, embeddings)
            return check_added(found, len(placement), f"metric {self._metric.name!r}")
        except TokbenchError as error:
            self._leave_out(str(error))
            return {}


def guarded(metrics: Sequence[Metric], leave_out: Callable[[str], None]) -> list[Metric]:
    """The metrics, those of plugins guarded and first: where two give one name, the built-in's
    figure stands."""
    added: list[Metric] = [
        AddedMetric(one, leave_out) for one in metrics if isinstance(one, StandIn)
    ]
    return added + [one for one in metrics if not isinstance(one, StandIn)]


def check_added(found: dict[str, Score], users: int, name: str) -> dict[str, Score]:
    """The figures, if their names are free and they are finite. Raises ContractError."""
    for figure, value in found.items():
        if figure.startswith(RESERVED) or len(figure) > LONGEST or not figure.isprintable():
            raise ContractError(
                name,
                expected=f"names of its own, of up to {LONGEST} characters, for its figures",
                found=one_line(figure[:LONGEST]),
                remedy="begin them with the metric's name",
            )
        shape = np.shape(value)
        if shape not in ((), (users,)) or not np.isfinite(value).all():
            wrong = "NaN or infinity" if shape in ((), (users,)) else f"an array {list(shape)}"
            raise ContractError(
                name, expected=f"{figure} as a finite number or {users} of them", found=wrong
            )
    return {
        figure: np.asarray(value, np.float64) if np.ndim(value) else float(value)
        for figure, value in found.items()
    }

"""What a row costs, and which rows no other row beats on both cost and Recall@10."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tokbench.report.site.boards import RowView


@dataclass(frozen=True)
class CostMeasure:
    """One way to count a row's cost."""

    key: str
    name: str
    unit: str
    of: Callable[[RowView], float | None]  # None where the records do not tell
    less_is_better: bool = True


COSTS = (
    CostMeasure("generator", "generator training", "seconds",
                lambda view: view.row.seconds["train"]),
    CostMeasure("tokenizer", "tokenizer", "seconds", lambda view: view.row.seconds["tokenize"]),
    CostMeasure("decode", "decoding speed", "users per second",
                lambda view: view.users_per_second, less_is_better=False),
    CostMeasure("tokens", "tokens per item", "codes", lambda view: float(view.tokens)),
)  # fmt: skip


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the (cost, value) points that no other point dominates, by rising cost.

    Cost is better low, value is better high. A point dominates another one if it is at least as
    good in both and better in one; equal points stand together.
    """
    front = [
        i
        for i, (cost, value) in enumerate(points)
        if not any(c <= cost and v >= value and (c, v) != (cost, value) for c, v in points)
    ]
    return sorted(front, key=lambda i: points[i])

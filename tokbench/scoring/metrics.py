"""Recall, NDCG and collision figures, all functions of where the targets landed.

Axes: Q queries, N items, G groups of items that share a tuple, M levels, K codes of a level.

With `s` items ahead of the target's group and `g` items in it, the target's rank among items is
somewhere in s+1..s+g. The tie rules read that interval in five ways:

    expected      mean over a random order inside the group: the primary figure
    code-level    each tuple is one item; a hit on the tuple is a hit (what most papers report)
    optimistic    the target is first of its group
    pessimistic   the target is last of its group
    cce           a group takes one slot and a hit on it is worth 1/g (CCE of arXiv 2605.25330)

One positive per query, so Recall@k is the hit rate and the ideal DCG is 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tokbench.api import Metric, Score, hookimpl, option
from tokbench.errors import ConfigError, listed
from tokbench.types import Floats, Ints, Placement, SemanticIds

Ties = Literal["expected", "code-level", "optimistic", "pessimistic", "cce"]
TIES: tuple[Ties, ...] = get_args(Ties)

CUTOFFS = (5, 10, 20, 40)  # the paper's Table 2
Values = NDArray[np.float64]


def recall(placement: Placement, k: int, *, ties: Ties = "expected") -> Values:
    """Recall@k of each query, float64 [Q] in [0, 1]; 0 where no beam named the target.

    Expected: the share of the group's g orders that put the target within k,
    clamp((k - s) / g, 0, 1).
    """
    return _credit(placement, np.ones(_checked(k)), ties)


def ndcg(placement: Placement, k: int, *, ties: Ties = "expected") -> Values:
    """NDCG@k of each query, float64 [Q] in [0, 1]; 0 where no beam named the target.

    Expected: the mean over r = s+1..s+g of 1/log2(r + 1) where r <= k, 0 beyond.
    """
    return _credit(placement, 1.0 / np.log2(np.arange(2, _checked(k) + 2)), ties)


def _credit(placement: Placement, worth: Values, ties: Ties) -> Values:
    """The mean of `worth[rank - 1]` over the ranks that `ties` allows; ranks past k earn 0.

    A mean over consecutive ranks is a difference of two prefix sums.
    """
    rules = _rank_intervals(placement)
    if ties not in rules:
        raise ConfigError(f"unknown tie rule '{ties}': use one of {listed(TIES)}")
    before, ranks, share = rules[ties]
    k = len(worth)
    earned = np.concatenate([[0.0], np.cumsum(worth)])
    gain = earned[np.clip(before + ranks, 0, k)] - earned[np.clip(before, 0, k)]
    credit: Values = np.where(placement.position >= 0, gain / share, 0.0)
    return credit


def _rank_intervals(placement: Placement) -> dict[Ties, tuple[Ints, Ints, Ints]]:
    """Per tie rule, [Q] each: ranks before the interval, ranks in it, gain's divisor."""
    s, g, one = placement.ahead, placement.group, np.ones_like(placement.group)
    return {
        "expected": (s, g, g),
        "code-level": (placement.position, one, one),
        "optimistic": (s, one, one),
        "pessimistic": (s + g - 1, one, one),
        "cce": (placement.position, one, g),
    }


def _checked(k: int) -> int:
    if k < 1:
        raise ConfigError(f"cutoff {k} is out of bounds: a cutoff is at least 1")
    return k


class _AtCutoffs(Metric):
    """A figure read off the head of a ranking: one array [Q] per cutoff and tie rule."""

    credit: ClassVar[Callable[..., Values]]

    class Config(Metric.Config):
        """Cutoffs."""

        cutoffs: tuple[Annotated[int, Field(ge=1)], ...] = option(
            CUTOFFS, symbol="k", min_length=1, description="lengths of the ranking that is read"
        )

    config: Config

    def score(self, placement: Placement, ids: SemanticIds, embeddings: Floats) -> dict[str, Score]:
        """`name@k` is the expected figure, `name@k/code-level` and so on stand beside it."""
        return {
            f"{self.name}@{k}" + ("" if ties == "expected" else f"/{ties}"): type(self).credit(
                placement, k, ties=ties
            )
            for ties in TIES
            for k in self.config.cutoffs
        }


class Recall(_AtCutoffs):
    """Recall@k (hit rate: one positive per query), under every tie rule."""

    name: ClassVar[str] = "recall"
    credit = staticmethod(recall)


class Ndcg(_AtCutoffs):
    """NDCG@k with one positive per query (ideal DCG 1), under every tie rule."""

    name: ClassVar[str] = "ndcg"
    credit = staticmethod(ndcg)


class Collisions(Metric):
    """How often items share a tuple, and how evenly the codes of each level are used.

    `duplicate_rate`      (N - G) / N, the "collision rate" of LETTER (arXiv 2405.07314)
    `items_in_collision`  share of items whose tuple another item has too (arXiv 2605.25330)
    `max_group`           items on the most crowded tuple
    `use/level1` ...      share of the level's K codes that some item carries
    `entropy/level1` ...  entropy of the level's codes over the items, divided by ln K: 1 where
                          all are equally frequent, 0 where all items share one (or K is 1)

    The first two go by one name in the literature and differ by up to a factor of two, so both
    are given. `higher_is_better` speaks of these; use and entropy describe.
    """

    name: ClassVar[str] = "collisions"
    higher_is_better: ClassVar[bool] = False

    def score(self, placement: Placement, ids: SemanticIds, embeddings: Floats) -> dict[str, Score]:
        """Single figures of the codes; placement and embeddings are not read."""
        _, _, sizes = ids.groups()
        n = max(len(ids), 1)
        figures: dict[str, Score] = {
            "duplicate_rate": (len(ids) - len(sizes)) / n,
            "items_in_collision": float(sizes[sizes > 1].sum()) / n,
            "max_group": float(sizes.max(initial=0)),
        }
        for level, size in enumerate(ids.level_sizes):
            counts = np.bincount(ids.codes[:, level], minlength=size)
            used = counts[counts > 0] / n
            nats = max(-float((used * np.log(used)).sum()), 0.0)  # never -0.0
            figures[f"use/level{level + 1}"] = len(used) / size
            figures[f"entropy/level{level + 1}"] = nats / math.log(size) if size > 1 else 0.0
        return figures


@hookimpl
def register_metrics() -> list[type[Metric]]:
    """Built-in metrics."""
    return [Recall, Ndcg, Collisions]

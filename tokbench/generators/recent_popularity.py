"""What was popular just before: the newest training interactions, the same for everybody then.

Axes: N items, G distinct tuples, T training interactions, Q queries, B beams.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tokbench.api import Generator, GeneratorModel, Runtime, option
from tokbench.generators.popularity import padded, ranked, smoothed_counts
from tokbench.types import Beams, Catalog, Histories, Ints, SemanticIds, Sequences


class RecentPopularity(Generator):
    """The most frequent tuples among the `window` training interactions up to the history's last.

    "Up to" includes what shares that item's time; the window was chosen on the validation users of
    office-5core alone (100 to 5,000 tried). Without times: the tuples of each training row's
    last `last` items, the same for every history. Tuples that did not occur there follow by their
    popularity in all of the training data. Ji et al. (arXiv 2010.10684) show how strong this is,
    and that popularity without time is no baseline.
    """

    name: ClassVar[str] = "recent-popularity"
    citation: ClassVar[str] = (
        "Ji et al., A Re-visit of the Popularity Baseline in Recommender Systems, SIGIR 2020"
    )
    uses_times = True

    class Config(Generator.Config):
        """How far back to count."""

        window: int = option(
            200,
            ge=1,
            description="training interactions counted, the newest, where there are times",
        )
        last: int = option(
            5, ge=1, description="items counted of each training row, the last, without times"
        )

    def train(
        self,
        catalog: Catalog,
        histories: Histories,
        ids: SemanticIds,
        *,
        seed: int,
        runtime: Runtime,
    ) -> RecentPopularityModel:
        """Put the training interactions in the order of their times; validation is not read."""
        train = histories.train
        order = ranked(smoothed_counts(train, ids), seed)
        if train.times is None:
            column = np.arange(len(train.items)) - np.repeat(train.offsets[:-1], train.lengths)
            newest = column >= np.repeat(train.lengths - self.config.last, train.lengths)
            return self._model(ids, train.items[newest], np.zeros(0, np.int64), order)
        by_time = np.argsort(train.times, kind="stable")
        return self._model(ids, train.items[by_time], train.times[by_time], order)

    def restore(self, state: Mapping[str, NDArray[Any]], ids: SemanticIds) -> RecentPopularityModel:
        """The interactions and the order behind them."""
        return self._model(ids, state["items"], state["times"], state["order"])

    def _model(
        self, ids: SemanticIds, items: Ints, times: Ints, order: Ints
    ) -> RecentPopularityModel:
        window = self.config.window
        return RecentPopularityModel(ids, items, times, order, window, self.uses_query_time)


class QueryTimePopularity(RecentPopularity):
    """`recent-popularity` before the time of the target itself: a diagnostic, not a method.

    No generator is told when the target comes. How far this row stands above `recent-popularity`
    is what that time alone would give away in a split that mixes times, such as leave-one-out.
    What shares the target's time is not counted.
    """

    name: ClassVar[str] = "query-time-popularity"
    uses_query_time = True


class RecentPopularityModel(GeneratorModel):
    """Training items [T] and their times [T], oldest first; tuples by popularity, `order` [G]."""

    def __init__(
        self,
        ids: SemanticIds,
        items: Ints,
        times: Ints,
        order: Ints,
        window: int,
        at_query: bool,
    ) -> None:
        self.tuples, self.member, _ = ids.groups()
        self.items, self.times, self.order = items, times, order
        self.window, self.at_query = window, at_query

    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        """One ranking for each end of the window; scores are counts, 0 where popularity decides."""
        ends = self._ends(histories)
        best = min(width, len(self.tuples))
        place = np.empty(len(self.order), np.int64)
        place[self.order] = np.arange(len(self.order))
        distinct, row = np.unique(ends, return_inverse=True)
        chosen, scores = np.empty((len(distinct), best), np.int64), np.zeros((len(distinct), best))
        with runtime.progress.track("generate", total=len(distinct)) as advance:
            for n, end in enumerate(distinct):
                start = 0 if len(self.times) == 0 else max(0, int(end) - self.window)
                found, counts = np.unique(self.member[self.items[start:end]], return_counts=True)
                by_count = np.lexsort((place[found], -counts))[:best]
                recent = found[by_count]
                rest = self.order[: best + len(found)]
                rest = rest[~np.isin(rest, found)][: best - len(recent)]
                chosen[n] = np.concatenate([recent, rest])
                scores[n, : len(recent)] = counts[by_count]
                advance()
        return padded(self.tuples, chosen[row], scores[row], width)

    def _ends(self, histories: Sequences) -> Ints:
        """How many of the training interactions lie before each query, [Q]."""
        if len(self.times) == 0:
            return np.full(len(histories), len(self.items))
        if self.at_query:
            assert histories.asked is not None, "uses_query_time: the split hands it over"
            return np.searchsorted(self.times, histories.asked, side="left")
        assert histories.times is not None, "uses_times: the split hands it over"
        known = histories.lengths > 0
        newest = np.full(len(histories), np.iinfo(np.int64).max)
        newest[known] = histories.times[histories.offsets[1:][known] - 1]
        return np.searchsorted(self.times, newest, side="right")

    def state(self) -> dict[str, NDArray[Any]]:
        """Interactions in the order of time, and the order by popularity."""
        return {"items": self.items, "times": self.times, "order": self.order}

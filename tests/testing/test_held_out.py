"""A tokenizer that peeks at held-out data cannot: nothing that it is given leads there."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from tests.components import Hashed
from tokbench.api import Runtime
from tokbench.pipeline import stages
from tokbench.testing import check, worlds
from tokbench.types import Catalog, Dataset, SemanticIds


def reachable(value: Any) -> list[Any]:
    """Everything that can be got from a value by attributes, elements and the bases of views."""
    seen: dict[int, Any] = {}
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, (str, int, float, type(None))):
            continue
        seen[id(one)] = one
        if isinstance(one, np.ndarray):
            waiting.append(one.base)
        elif isinstance(one, (tuple, list)):
            waiting.extend(one)
        elif hasattr(one, "__dict__"):
            waiting.extend(vars(one).values())
    return list(seen.values())


class Peeks(Hashed):
    """Searches all that it was given for interactions that were held out."""

    uses_interactions = True
    found: list[int] = []

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        arrays = [one for one in reachable((catalog, runtime)) if isinstance(one, np.ndarray)]
        whole = worlds.USERS * worlds.LENGTH
        self.found.extend(one.size for one in arrays if one.dtype == np.int64 and one.size == whole)
        return super().tokenize(catalog, seed=seed, runtime=runtime)


def test_nothing_a_tokenizer_is_given_leads_to_held_out_interactions() -> None:
    """Not even the memory behind the training rows: they are no view of the whole."""
    data = worlds.dataset()
    train = stages.split(data, "leave-one-out").histories.train
    catalog = stages.catalog(data, worlds.embeddings(), train)
    Peeks().tokenize(catalog, seed=0, runtime=Runtime())
    assert Peeks.found == []
    arrays = [one for one in reachable(data) if isinstance(one, np.ndarray)]
    assert worlds.USERS * worlds.LENGTH in [one.size for one in arrays], "the search would find it"
    assert len(train.items) == worlds.USERS * (worlds.LENGTH - 2)


def test_interactions_are_shown_on_request_only() -> None:
    assert worlds.catalog(interactions=False).interactions is None
    shown = [worlds.catalog(interactions=True, other_held_out=other) for other in (False, True)]
    assert shown[0].digest() == shown[1].digest(), "training rows do not tell what was held out"
    assert worlds.dataset().digest() != worlds.dataset(other_held_out=True).digest()


class Burgles(Hashed):
    """Searches the whole process for datasets, and codes items by what it finds there."""

    uses_interactions = True

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        last = slice(worlds.LENGTH - 1, None, worlds.LENGTH)
        held_out = sum(
            int(one.interactions.items[last].sum())
            for one in gc.get_objects()
            if type(one) is Dataset and len(one.item_ids) == worlds.ITEMS
        )
        return super().tokenize(catalog, seed=seed + held_out, runtime=runtime)


def test_the_kit_finds_a_tokenizer_that_reads_other_peoples_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where a dataset is within reach all the same, its codes change with what is held out."""
    made: list[Dataset] = []
    split = stages.split

    def keep(dataset: Dataset, protocol: str) -> Any:
        made[:] = [dataset]
        return split(dataset, protocol)

    monkeypatch.setattr(stages, "split", keep)
    assert "no held out data" in [finding.rule for finding in check(Burgles)]
    assert made, "the kit split a dataset, which was within reach"

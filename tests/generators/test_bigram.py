"""The bigram table against counting by hand, and its known figures on real data."""

from __future__ import annotations

import json
import os
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokbench.api import Runtime
from tokbench.generators.bigram import Bigram, BigramModel, transitions
from tokbench.scoring.metrics import recall
from tokbench.scoring.placement import place
from tokbench.scoring.splits import leave_one_out
from tokbench.tokenizers.item_id import ItemId
from tokbench.types import Catalog, Dataset, Histories, Queries, SemanticIds, Sequences

Rows = list[list[int]]
NO_QUERIES = Queries(np.zeros(0, np.int64), Sequences.of([]), np.zeros(0, np.int64))
CODES = [[0, 0], [0, 1], [1, 0], [1, 0], [1, 0], [2, 2], [2, 2]]  # 7 items, 4 tuples


def ids_of(codes: Any, sizes: tuple[int, ...] = (3, 3)) -> SemanticIds:
    return SemanticIds(np.array(codes, np.int32), sizes)


def catalog_of(n: int) -> Catalog:
    names = tuple(map(str, range(n)))
    return Catalog(names, names, np.zeros((n, 1), np.float32))


def trained(histories: Histories, ids: SemanticIds, seed: int = 0) -> BigramModel:
    return Bigram().train(catalog_of(len(ids)), histories, ids, seed=seed, runtime=Runtime())


def trained_on(rows: Rows, ids: SemanticIds, seed: int = 0) -> BigramModel:
    return trained(Histories(Sequences.of(rows), NO_QUERIES), ids, seed)


rows_of_items = st.lists(st.lists(st.integers(0, 6), max_size=7), max_size=7)


@given(rows=rows_of_items, history=st.lists(st.integers(0, 6), max_size=3))
def test_probabilities_and_order_against_counting_by_hand(rows: Rows, history: list[int]) -> None:
    """P(t | last item) for every tuple t, best first, and they add up to 1."""
    beams = trained_on(rows, ids_of(CODES)).generate(
        Sequences.of([history]), width=4, runtime=Runtime()
    )
    popular: Counter[tuple[int, ...]] = Counter(tuple(codes) for codes in CODES)
    followed: Counter[tuple[int, ...]] = Counter()
    for row in rows:
        popular.update(tuple(CODES[item]) for item in row)
        followed.update(tuple(CODES[b]) for a, b in pairwise(row) if history[-1:] == [a])
    shown = [tuple(codes) for codes in beams.codes[0].tolist()]
    assert sorted(shown) == sorted(popular)
    expected = [
        np.log((followed[codes] + popular[codes] / popular.total()) / (followed.total() + 1))
        for codes in shown
    ]
    assert beams.scores[0].tolist() == pytest.approx(expected, rel=1e-5)
    assert (np.diff(beams.scores[0]) <= 0).all()
    assert np.exp(beams.scores[0]).sum() == pytest.approx(1, rel=1e-5)


@given(rows=rows_of_items, seed=st.integers(0, 9))
def test_a_narrow_list_is_the_head_of_the_whole_one(rows: Rows, seed: int) -> None:
    ids = ids_of([[n] for n in range(7)], (7,))
    model, queries = trained_on(rows, ids, seed), Sequences.of([[n] for n in range(7)] + [[]])
    whole = model.generate(queries, width=7, runtime=Runtime())
    for width in (1, 2, 3, 5):
        head = model.generate(queries, width=width, runtime=Runtime())
        assert np.array_equal(head.codes, whole.codes[:, :width])
        assert np.array_equal(head.scores, whole.scores[:, :width])
    wide = model.generate(queries, width=9, runtime=Runtime())
    assert (wide.codes[:, 7:] == -1).all()
    assert np.isneginf(wide.scores[:, 7:]).all()


@given(rows_of_items)
def test_transitions_stay_within_rows(rows: Rows) -> None:
    before, after = transitions(Sequences.of(rows))
    expected = [pair for row in rows for pair in pairwise(row)]
    assert list(zip(before.tolist(), after.tolist(), strict=True)) == expected


def test_what_followed_comes_first_then_what_is_popular() -> None:
    rows = [[0, 1, 5], [0, 1], [0, 2], [3, 3, 3, 3], [4, 4, 4]]
    ids = ids_of([[n] for n in range(6)], (6,))
    beams = trained_on(rows, ids).generate(Sequences.of([[5, 0]]), width=5, runtime=Runtime())
    assert beams.codes[0, :, 0].tolist()[:2] == [1, 2]
    assert set(beams.codes[0, 2:, 0].tolist()) == {3, 0, 4}


def test_ties_are_ordered_by_the_seed_and_nothing_else_is() -> None:
    ids = ids_of([[n] for n in range(40)], (40,))
    rows = [[0, n] for n in range(1, 20)] + [[0, 7]]
    lists = [
        trained_on(rows, ids, seed)
        .generate(Sequences.of([[0]]), width=40, runtime=Runtime())
        .codes.ravel()
        .tolist()
        for seed in (1, 1, 2)
    ]
    assert lists[0] == lists[1] != lists[2]
    for shown in lists:
        assert shown[0] == 7
        assert set(shown[:19]) == set(range(1, 20))


def test_restored_from_its_state_it_says_the_same() -> None:
    ids = ids_of(CODES)
    model = trained_on([[0, 3, 5], [5, 1]], ids)
    again = Bigram().restore(model.state(), ids)
    queries = Sequences.of([[3], [5], [6]])
    before, after = (m.generate(queries, width=4, runtime=Runtime()) for m in (model, again))
    assert np.array_equal(before.codes, after.codes)
    assert np.array_equal(before.scores, after.scores)


def office() -> Dataset:
    folder = Path(os.environ["TOKBENCH_DATA"]) / "office-5core"
    items, users = (
        [json.loads(line) for line in (folder / name).read_bytes().splitlines()]
        for name in ("items.jsonl", "sequences.jsonl")
    )
    names = tuple(item["item_id"] for item in items)
    number = {name: n for n, name in enumerate(names)}
    rows = [[number[name] for name in user["item_ids"]] for user in users]
    user_ids = tuple(user["user_id"] for user in users)
    return Dataset("office-5core", names, names, names, user_ids, Sequences.of(rows))


@pytest.mark.data
@pytest.mark.skipif("TOKBENCH_DATA" not in os.environ, reason="TOKBENCH_DATA is not set")
def test_recall_on_office_is_what_it_is_known_to_be() -> None:
    """0.104 on validation and 0.074 on test, learning from training transitions only."""
    dataset = office()
    split = leave_one_out(dataset)
    catalog = catalog_of(len(dataset.item_ids))
    ids = ItemId().tokenize(catalog, seed=0, runtime=Runtime())
    model = trained(split.histories, ids)
    for queries, known in ((split.histories.validation, 0.104), (split.test, 0.074)):
        beams = model.generate(queries.histories, width=50, runtime=Runtime())
        found = recall(place(beams, ids, queries.targets), 10).mean()
        assert found == pytest.approx(known, abs=0.0015)  # ties fall as the seed has it

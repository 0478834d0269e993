"""Item-item and content neighbours against sums written out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from tokbench.api import Generator, Runtime
from tokbench.generators.content_neighbours import ContentNeighbours
from tokbench.generators.item_item import ItemItem
from tokbench.generators.neighbourhood import Neighbourhood, nearest
from tokbench.types import Catalog, Histories, Queries, SemanticIds, Sequences

Rows = list[list[int]]
NO_QUERIES = Queries(np.zeros(0, np.int64), Sequences.of([]), np.zeros(0, np.int64))
CODES = np.array([[0, 0], [0, 1], [1, 0], [1, 0], [1, 0], [2, 2], [2, 2]], np.int32)
IDS = SemanticIds(CODES, (3, 3))  # 7 items, 4 tuples
EACH = SemanticIds(np.arange(7, dtype=np.int32)[:, None], (7,))
MEMBER = [0, 1, 2, 2, 2, 3, 3]
rows_of_items = st.lists(st.lists(st.integers(0, 6), max_size=6), max_size=6)


def catalog_of(embeddings: Any) -> Catalog:
    names = tuple(map(str, range(len(embeddings))))
    return Catalog(names, names, np.asarray(embeddings, np.float32))


def trained(
    generator: Generator, rows: Rows, ids: SemanticIds = IDS, embeddings: Any = None, seed: int = 0
) -> Neighbourhood:
    catalog = catalog_of(np.zeros((7, 1)) if embeddings is None else embeddings)
    histories = Histories(Sequences.of(rows), NO_QUERIES)
    model = generator.train(catalog, histories, ids, seed=seed, runtime=Runtime())
    assert isinstance(model, Neighbourhood)
    return model


def scores_of(model: Neighbourhood, ids: SemanticIds, history: list[int]) -> list[float]:
    """The score of every tuple, in their lexicographic order."""
    tuples = [tuple(code) for code in ids.groups()[0].tolist()]
    beams = model.generate(Sequences.of([history]), width=len(tuples), runtime=Runtime())
    shown = [tuple(code) for code in beams.codes[0].tolist()]
    assert sorted(shown) == tuples
    assert (np.diff(beams.scores[0]) <= 0).all()
    return [float(beams.scores[0, shown.index(code)]) for code in tuples]


def item_item_by_hand(rows: Rows, history: list[int], c: Any) -> list[float]:
    """Every pair of places of every row, one by one."""
    flat = [item for row in rows for item in row]
    found = []
    for t in range(4):
        n_t = sum(MEMBER[item] == t for item in flat)
        total = 0.0
        for age, i in enumerate(history[::-1][: c.window]):
            count = 0.0
            for row in rows:
                for a, one in enumerate(row):
                    for b, other in enumerate(row):
                        if one == i and MEMBER[other] == t and a != b:
                            direction = 1.0 if a < b else c.backward
                            count += direction * c.distance_decay ** (abs(a - b) - 1)
            if count:
                total += c.recency**age * count / (np.sqrt(flat.count(i) * n_t) + c.shrink)
        found.append(total)
    if c.own_last:
        for item in history:
            found[MEMBER[item]] = -1.0
    return found


@given(rows=rows_of_items, history=st.lists(st.integers(0, 6), max_size=4))
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"distance_decay": 1.0, "backward": 1.0, "shrink": 0.0, "recency": 1.0},
        {"backward": 0.25, "window": 2},
        {"own_last": True},
    ],
)
def test_item_item_against_the_sum_over_pairs(
    options: dict[str, Any], rows: Rows, history: list[int]
) -> None:
    generator = ItemItem.of(**options)
    found = scores_of(trained(generator, rows), IDS, history)
    assert found == pytest.approx(item_item_by_hand(rows, history, generator.config), rel=1e-5)


def test_the_plain_options_are_the_cosine_of_user_columns() -> None:
    rows = [[0, 1, 4], [1, 0], [4, 6, 1], [2, 5], [3, 1]]
    users = np.zeros((len(rows), 7))
    for user, row in enumerate(rows):
        users[user, row] = 1
    cosine = users.T @ users
    length = np.sqrt(np.diag(cosine))
    cosine /= length[:, None] * length
    np.fill_diagonal(cosine, 0)
    plain = ItemItem.of(distance_decay=1, backward=1, shrink=0, recency=1)
    model = trained(plain, rows, EACH)
    np.testing.assert_allclose(model.similarity.toarray(), cosine, rtol=1e-12)
    expected = cosine[0] + cosine[4]
    assert scores_of(model, EACH, [0, 4]) == pytest.approx(expected.tolist())


@given(embeddings=st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=7, max_size=7))
def test_content_neighbours_against_cosines_one_by_one(embeddings: list[Any]) -> None:
    model = trained(ContentNeighbours.of(window=2, recency=0.5), [[0, 0]], IDS, embeddings)

    def cosine(i: int, j: int) -> float:
        a, b = np.array(embeddings[i], float), np.array(embeddings[j], float)
        size = float(np.linalg.norm(a) * np.linalg.norm(b))
        return float(a @ b) / size if size else 0.0

    def nearness(i: int, t: int) -> float:
        return max([cosine(i, j) for j in range(7) if MEMBER[j] == t and j != i] + [0.0])

    expected = [nearness(4, t) + 0.5 * nearness(1, t) for t in range(4)]
    assert scores_of(model, IDS, [6, 1, 4]) == pytest.approx(expected, abs=1e-5)


def test_popularity_decides_the_rest_and_what_was_had_comes_last() -> None:
    rows = [[0, 1], [5, 4], [5, 3], [5, 2], [4, 6]]
    model = trained(ItemItem.of(own_last=True), rows, EACH)
    beams = model.generate(Sequences.of([[0], []]), width=9, runtime=Runtime())
    assert beams.codes[0, :3, 0].tolist() == [1, 5, 4], "the neighbour, then the popular"
    assert beams.codes[0, 6, 0] == 0
    assert beams.codes[1, :2, 0].tolist() == [5, 4]
    assert (beams.codes[:, 7:] == -1).all()
    plain = trained(ItemItem(), rows, EACH)
    first = plain.generate(Sequences.of([[0, 5]]), width=7, runtime=Runtime())
    assert set(first.codes[0, :4, 0].tolist()) == {1, 3, 2, 4}, "neighbours of 0 and 5"
    assert first.codes[0, 4, 0] == 5, "then the popular, had or not"


@given(st.lists(st.lists(st.integers(-2, 4), min_size=5, max_size=5), min_size=1, max_size=6))
def test_nearest_keeps_the_largest_of_each_row(table: list[list[int]]) -> None:
    kept = nearest(sparse.csr_array(np.array(table, float)), 2).toarray()
    for row, found in zip(table, kept.tolist(), strict=True):
        best = sorted(range(5), key=lambda column: (-row[column], column))[:2]
        assert found == [float(row[c]) if c in best and row[c] > 0 else 0.0 for c in range(5)]


@pytest.mark.parametrize("generator", [ItemItem.of(neighbours=2), ContentNeighbours()])
def test_restored_and_in_blocks_it_says_the_same(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    rows = [rng.permutation(7)[:4].tolist() for _ in range(9)]
    model = trained(generator, rows, IDS, rng.normal(size=(7, 3)))
    queries = Sequences.of([*rows, [], [3]])
    before = model.generate(queries, width=4, runtime=Runtime())
    monkeypatch.setattr("tokbench.generators.neighbourhood.SCORES", 8)
    after = generator.restore(model.state(), IDS).generate(queries, width=4, runtime=Runtime())
    assert np.array_equal(before.codes, after.codes)
    assert np.array_equal(before.scores, after.scores)
    for row, history in enumerate(queries[q] for q in range(len(queries))):
        alone = model.generate(Sequences.of([history]), width=4, runtime=Runtime())
        assert np.array_equal(alone.codes[0], before.codes[row])

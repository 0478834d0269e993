"""Collision policies against brute force: every free tuple tried, one item at a time."""

from __future__ import annotations

import time
from collections import Counter
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from tokbench.errors import ConfigError
from tokbench.scoring import collisions
from tokbench.scoring.collisions import POLICIES, address, balanced_codes, fit_codebooks
from tokbench.types import Floats, SemanticIds

Tuple = tuple[int, ...]


def ids_of(codes: Any, sizes: Tuple) -> SemanticIds:
    return SemanticIds(np.array(codes, np.int32), sizes)


def tuples(ids: SemanticIds) -> list[Tuple]:
    return [tuple(int(c) for c in row) for row in ids.codes]


def random_case(seed: int, n: int, sizes: Tuple) -> tuple[SemanticIds, Floats]:
    """Crowded random codes: the first level is skewed, so that blocks fill up."""
    rng = np.random.default_rng(seed)
    codes = np.stack([np.minimum(rng.geometric(0.6, n) - 1, size - 1) for size in sizes], axis=1)
    return ids_of(codes, sizes), rng.normal(size=(n, 5)).astype(np.float32)


def means_by_hand(ids: SemanticIds, x: Floats) -> list[NDArray[np.float64]]:
    left, books = x.astype(np.float64), []
    for level, size in enumerate(ids.level_sizes):
        book = np.zeros((size, x.shape[1]))
        for code in range(size):
            rows = [n for n in range(len(ids)) if ids.codes[n, level] == code]
            book[code] = np.mean([left[n] for n in rows or range(len(ids))], axis=0)
        left = np.array([left[n] - book[ids.codes[n, level]] for n in range(len(ids))])
        books.append(book)
    return books


def error(x: Floats, n: int, codes: Tuple, books: list[NDArray[np.float64]]) -> float:
    made = sum(book[code] for book, code in zip(books, codes, strict=True))
    return float(np.square(x[n] - made).sum())


def check_by_brute_force(ids: SemanticIds, x: Floats, addressed: SemanticIds) -> None:
    """Replay the moves: each must be as good as the best of all free tuples in reach."""
    books, before, after = means_by_hand(ids, x), tuples(ids), tuples(addressed)
    fit = [round(error(x, n, before[n], books), 7) for n in range(len(ids))]  # equal is equal
    groups: dict[Tuple, list[int]] = {}
    for n in sorted(range(len(ids)), key=lambda n: fit[n]):
        groups.setdefault(before[n], []).append(n)
    assert all(after[group[0]] == before[group[0]] for group in groups.values())
    waiting = sorted((n for group in groups.values() for n in group[1:]), key=lambda n: fit[n])
    taken = set(groups)
    everything = list(product(*map(range, ids.level_sizes)))
    for depth in range(min(2, ids.levels), ids.levels + 1):
        postponed = []
        for n in waiting:
            prefix = before[n][: ids.levels - depth]
            free = [t for t in everything if t not in taken and t[: len(prefix)] == prefix]
            if not free:
                postponed.append(n)
                continue
            assert after[n] in free
            least = min(error(x, n, t, books) for t in free)
            assert error(x, n, after[n], books) == pytest.approx(least, abs=1e-9)
            taken.add(after[n])
        waiting = postponed
    assert not waiting


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize(
    ("n", "sizes"),
    [(9, (3, 3)), (7, (4, 3)), (5, (6,)), (8, (2, 2, 2)), (14, (2, 3, 3)), (16, (2, 2, 2, 2))],
    ids=str,
)
def test_nearest_free_against_all_free_tuples(seed: int, n: int, sizes: Tuple) -> None:
    """Two levels: all free tuples there are. More levels: the deeper steps too, up to full."""
    ids, x = random_case(seed, n, sizes)
    check_by_brute_force(ids, x, address(ids, x, "nearest-free"))


@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple),
    seed=st.integers(0, 10_000),
    fullness=st.floats(0.01, 1),
)
def test_nearest_free_is_unique_and_leaves_the_rest_alone(
    sizes: Tuple, seed: int, fullness: float
) -> None:
    ids, x = random_case(seed, max(1, int(np.prod(sizes) * fullness)), sizes)
    addressed = address(ids, x, "nearest-free")
    assert len(set(tuples(addressed))) == len(ids)
    assert addressed.level_sizes == sizes
    assert set(tuples(ids)) <= set(tuples(addressed))  # somebody stays on every tuple
    crowd = Counter(tuples(ids))
    for was, now in zip(tuples(ids), tuples(addressed), strict=True):
        assert crowd[was] > 1 or was == now


def test_equal_embeddings_are_told_apart_all_the_same() -> None:
    ids = ids_of([[0, 0]] * 6, (2, 3))
    assert len(set(tuples(address(ids, np.ones((6, 4), np.float32), "nearest-free")))) == 6


def test_a_tail_too_wide_to_search_starts_with_the_last_level(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids, x = ids_of([[0, 0], [0, 0], [0, 0], [0, 0], [1, 1]], (2, 3)), np.eye(5, dtype=np.float32)
    monkeypatch.setattr(collisions, "WIDEST_TAIL", 5)
    addressed = tuples(address(ids, x, "nearest-free"))
    assert sorted(codes for codes in addressed[:4] if codes[0] == 0) == [(0, 0), (0, 1), (0, 2)]
    assert len(set(addressed)) == 5


def test_more_items_than_tuples_is_an_error_with_a_remedy() -> None:
    ids = ids_of([[0, 0]] * 5, (2, 2))
    with pytest.raises(ConfigError, match=r"2, 2 codes name 4 items.* has 5 .*extra-token"):
        address(ids, np.ones((5, 1), np.float32), "nearest-free")


@pytest.mark.parametrize("policy", ["nearest-free", "sinkhorn"])
@pytest.mark.parametrize("seed", range(4))
def test_relabelling_codes_or_reordering_items_changes_nothing(policy: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = np.concatenate([list(product(range(4), repeat=2)), rng.integers(0, 2, (24, 2))])
    sizes, x = (4, 4, 4), rng.normal(size=(40, 6)).astype(np.float32)
    codes = np.concatenate([codes, rng.permutation(np.arange(40) % 4)[:, None]], axis=1)
    plain = address(ids_of(codes, sizes), x, policy)
    names = [rng.permutation(4) for _ in range(3)]
    renamed = np.stack([names[m][codes[:, m]] for m in range(3)], axis=1)
    expected = np.stack([names[m][plain.codes[:, m]] for m in range(3)], axis=1)
    assert np.array_equal(address(ids_of(renamed, sizes), x, policy).codes, expected)
    order = rng.permutation(40)
    shuffled = address(ids_of(codes[order], sizes), x[order], policy)
    assert np.array_equal(shuffled.codes, plain.codes[order])


def test_a_large_catalogue_takes_seconds() -> None:
    """37,000 items of which about 3 in 10 collide."""
    rng = np.random.default_rng(0)
    ids = ids_of(rng.integers(0, 48, (37_000, 3)), (48,) * 3)
    x = rng.normal(size=(37_000, 16)).astype(np.float32)
    started = time.perf_counter()
    addressed = address(ids, x, "nearest-free")
    assert time.perf_counter() - started < 20  # measured: 0.6 s
    assert len(addressed.groups()[2]) == 37_000


@pytest.mark.parametrize("block", [5, 2**14])
@pytest.mark.parametrize("seed", range(3))
def test_codebooks_are_means_of_residuals(
    seed: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokbench.scoring.collisions.BLOCK", block)
    ids, x = random_case(seed, 12, (4, 3, 5))
    for book, by_hand in zip(fit_codebooks(ids, x), means_by_hand(ids, x), strict=True):
        np.testing.assert_allclose(book, by_hand, atol=1e-12)


@given(
    codes=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=20),
)
def test_extra_token_counts_within_each_tuple_in_item_order(codes: list[Tuple]) -> None:
    addressed = address(ids_of(codes, (3, 3)), np.zeros((len(codes), 1), np.float32), "extra-token")
    seen: Counter[Tuple] = Counter()
    for was, now in zip(codes, tuples(addressed), strict=True):
        assert now == (*was, seen[was])
        seen[was] += 1
    assert addressed.level_sizes == (3, 3, max(seen.values()))


def test_none_is_the_raw_tokenizer() -> None:
    ids, x = random_case(0, 12, (3, 3))
    assert address(ids, x, "none").digest() == ids.digest()


def test_policies_are_described_and_unknown_ones_refused() -> None:
    ids, x = random_case(0, 5, (3, 3))
    for policy, description in POLICIES.items():
        assert description
        assert len(address(ids, x, policy)) == 5
    with pytest.raises(
        ConfigError, match=r"'zcr'.*nearest-free, reassign-last, extra-token, sinkhorn, none"
    ):
        address(ids, x, "zcr")


def sinkhorn_by_hand(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """LC-Rec's plan for one group as its paper's code states it, entry by entry."""
    middle = (distances.max() + distances.min()) / 2
    plan = np.exp(-(distances - middle) / (distances.max() - middle + 1e-5) / 0.003)
    g, k = plan.shape
    plan = np.asarray(plan / plan.sum())
    for _ in range(50):
        for i in range(g):
            plan[i] /= plan[i].sum() * g
        for j in range(k):
            plan[:, j] /= plan[:, j].sum() * k
    return np.asarray(plan * g)


@pytest.mark.parametrize(("g", "k"), [(2, 3), (3, 3), (4, 7), (9, 5)])
def test_balanced_codes_have_the_largest_share_of_the_plan(g: int, k: int) -> None:
    rng = np.random.default_rng(g)
    distances = rng.random((20, g, k)) * rng.uniform(0.1, 10, (20, 1, 1))
    chosen = balanced_codes(distances)
    for group, codes in zip(distances, chosen, strict=True):
        plan = sinkhorn_by_hand(group)
        for i, code in enumerate(codes):
            assert plan[i, code] == pytest.approx(plan[i].max(), rel=1e-5)
            tied = plan[i] > plan[i].max() * (1 - 1e-7)
            assert group[i, code] <= group[i][tied].min() + 1e-12


def test_a_square_group_is_matched_like_the_hungarian_method(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where g = K and epsilon is small, the plan becomes the cheapest perfect matching."""
    distances = np.random.default_rng(3).random((200, 3, 3))
    best = np.array([linear_sum_assignment(group)[1] for group in distances])
    assert (balanced_codes(distances) == best).all(axis=1).mean() > 0.7  # 50 rounds: on its way
    monkeypatch.setattr(collisions, "ITERATIONS", 1000)
    assert np.array_equal(balanced_codes(distances), best)


def test_sinkhorn_moves_last_codes_of_colliding_items_only() -> None:
    rng = np.random.default_rng(0)
    ids = ids_of(rng.integers(0, 6, (120, 3)), (6, 6, 6))
    x = rng.normal(size=(120, 8)).astype(np.float32)
    addressed = address(ids, x, "sinkhorn")
    assert np.array_equal(addressed.codes[:, :2], ids.codes[:, :2])
    assert addressed.level_sizes == ids.level_sizes
    assert len(addressed.groups()[2]) > len(ids.groups()[2])
    alone_with_prefix = [n for n in range(120) if (ids.codes[:, :2] == ids.codes[n, :2]).sum() == 2]
    assert np.array_equal(addressed.codes[alone_with_prefix], ids.codes[alone_with_prefix])


def test_sinkhorn_leaves_equal_embeddings_merged_and_parts_others() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 4)).astype(np.float32)
    x[1] = x[0]
    codes = rng.integers(0, 8, (40, 2))
    codes[:4] = 0
    addressed = tuples(address(ids_of(codes, (8, 8)), x, "sinkhorn"))
    assert addressed[0] == addressed[1]
    assert len({addressed[0], addressed[2], addressed[3]}) == 3


@pytest.mark.parametrize("policy", POLICIES)
def test_inputs_are_left_as_they_were_and_the_answer_is_repeatable(policy: str) -> None:
    ids, x = random_case(7, 20, (3, 3, 3))
    codes, embeddings = ids.codes.copy(), x.copy()
    first, second = address(ids, x, policy), address(ids, x, policy)
    assert first.digest() == second.digest()
    assert np.array_equal(ids.codes, codes)
    assert np.array_equal(x, embeddings)


def test_sinkhorn_parts_on_codes_that_nobody_had_what_its_plan_leaves_merged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eight of 64 last codes are in use: without the others 48 of 159 distinct items stay merged.
    The nearest of a merged group stays, the others take one such code each, whatever it costs."""
    rng = np.random.default_rng(0)
    codes = np.stack([rng.integers(0, 4, 160), rng.integers(0, 8, 160)], axis=1)
    x = rng.normal(size=(160, 6)).astype(np.float32)
    x[1], codes[1] = x[0], codes[0]  # what cannot be told apart
    ids = ids_of(codes, (4, 64))
    addressed = tuples(address(ids, x, "sinkhorn"))
    assert addressed[0] == addressed[1]
    assert len(set(addressed)) == 159
    assert address(ids, x, "sinkhorn").level_sizes == (4, 64)
    monkeypatch.setattr(collisions, "_part_on_unused", lambda *given: None)
    plan = tuples(address(ids, x, "sinkhorn"))
    assert len(set(plan)) < 120
    books, unused = means_by_hand(ids, x), set(range(64)) - set(codes[:, 1].tolist())
    for code in set(plan):
        group = [n for n in range(160) if plan[n] == code]
        stay = [n for n in group if addressed[n] == code]
        moved = [n for n in group if addressed[n] != code]
        nearest = min(error(x, n, code, books) for n in group)
        assert {round(error(x, n, code, books), 9) for n in stay} == {round(nearest, 9)}
        assert all(addressed[n][0] == code[0] and addressed[n][1] in unused for n in moved)


def test_sinkhorn_leaves_merged_what_there_are_no_codes_for() -> None:
    x = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    addressed = tuples(address(ids_of([[0, 0]] * 9, (1, 4)), x, "sinkhorn"))
    assert len(set(addressed)) == 4


def test_nearest_free_is_greedy_and_not_the_least_sum() -> None:
    """Against the optimal assignment of the items that move, where all share a tuple."""
    rng = np.random.default_rng(0)
    ids, x = ids_of([[0, 0]] * 8 + [[a, b] for a in range(4) for b in range(4)][1:9], (4, 4)), None
    x = rng.normal(size=(16, 3)).astype(np.float32)
    books, before = means_by_hand(ids, x), tuples(ids)
    addressed = tuples(address(ids, x, "nearest-free"))
    movers = [n for n in range(16) if addressed[n] != before[n]]
    free = [t for t in product(range(4), range(4)) if t not in before]
    costs = np.array([[error(x, n, t, books) for t in free] for n in movers])
    rows, columns = linear_sum_assignment(costs)
    greedy = sum(error(x, n, addressed[n], books) for n in movers)
    assert greedy > costs[rows, columns].sum() * 1.01


def test_reassignment_is_the_cheapest_of_all_permutations_of_a_prefix() -> None:
    """Against every way to give a prefix's items distinct last codes; prefixes stay, and those
    without a collision keep their codes."""
    assert sum(checked_prefixes(seed) for seed in range(12)) >= 12


def checked_prefixes(seed: int) -> int:
    ids, x = random_case(seed, 9, (4, 5))
    moved = address(ids, x, "reassign-last")
    books = means_by_hand(ids, x)
    before, after = tuples(ids), tuples(moved)
    assert len(set(after)) == len(after)
    checked = 0
    for first in {codes[0] for codes in before}:
        items = [n for n in range(len(ids)) if before[n][0] == first]
        if len(items) > 5:
            continue  # more items than codes: the next test
        assert {after[n][0] for n in items} == {first}
        if len({before[n] for n in items}) == len(items):
            assert [after[n] for n in items] == [before[n] for n in items]
            continue
        checked += 1

        def total(last: Tuple, items: list[int] = items, first: int = first) -> float:
            return sum(error(x, n, (first, c), books) for n, c in zip(items, last, strict=True))

        least = min(total(last) for last in permutations(range(5), len(items)))
        assert total(tuple(after[n][1] for n in items)) == pytest.approx(least)
    return checked


def test_reassignment_of_a_full_prefix_moves_the_rest_elsewhere() -> None:
    ids, x = ids_of([[0, 0]] * 5 + [[1, 2]], (3, 3)), np.eye(6, dtype=np.float32)
    moved = address(ids, x, "reassign-last")
    assert len(set(tuples(moved))) == 6
    assert sum(codes[0] == 0 for codes in tuples(moved)) == 3
    with pytest.raises(ConfigError, match="name 4 items at most"):
        address(ids_of([[0, 0]] * 6, (2, 2)), x, "reassign-last")

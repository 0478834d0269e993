"""The toy's planted structure is there, can be read off the titles, and never changes."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binomtest

from tokbench.api import Runtime
from tokbench.datasets.toy import MOVE, NEIGHBOURHOODS, VARIANTS, Toy
from tokbench.encoders.tfidf import Tfidf
from tokbench.types import Dataset


@pytest.fixture(scope="module")
def toy() -> Dataset:
    return Toy().load(runtime=Runtime())


def test_sizes(toy: Dataset) -> None:
    assert (len(toy.item_ids), len(toy.user_ids)) == (300, 1_000)
    assert len(set(toy.texts)) == len(set(toy.titles)) == 300
    lengths = toy.interactions.lengths
    assert lengths.min() == 5
    assert abs(lengths.mean() - 7) < 0.15
    other = Toy.of(items=77, users=50, mean_length=11.5).load(runtime=Runtime())
    assert (len(other.item_ids), len(other.user_ids)) == (77, 50)


def test_the_data_never_change(toy: Dataset) -> None:
    assert toy.digest() == "d94209753b597210cc44b3b94b9879f1755bc7d5f20bf3e07a38c09d49fa2f42"
    assert Toy().load(runtime=Runtime()).digest() == toy.digest()
    assert Toy.of(seed=1).load(runtime=Runtime()).digest() != toy.digest()


def test_hash_randomisation_does_not_reach_the_data(toy: Dataset) -> None:
    code = (
        "from tokbench.datasets.toy import Toy; from tokbench.api import Runtime;"
        "print(Toy().load(runtime=Runtime()).digest())"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONHASHSEED": "4242", "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert out.stdout.strip() == toy.digest()


def test_the_largest_toy_has_a_title_for_each_item() -> None:
    toy = Toy.of(items=30 * VARIANTS, users=10).load(runtime=Runtime())
    assert len(set(toy.titles)) == 30 * VARIANTS


def test_no_item_twice_while_others_last(toy: Dataset) -> None:
    assert all(
        len(set(row.tolist())) == len(row)
        for row in map(toy.interactions.__getitem__, range(1_000))
    )


def test_users_stay_or_follow_the_planted_transition(toy: Dataset) -> None:
    """Stay 0.6, move 0.3, noise 0.1 spread over 30 neighbourhoods: within binomial intervals."""
    kinds = np.array(toy.categories)
    steps = [(kinds[a], kinds[b]) for q in range(1_000) for a, b in pairs(toy, q)]
    stays = sum(a == b for a, b in steps)
    noise = 0.1 / len(NEIGHBOURHOODS)
    assert binomtest(stays, len(steps), 1 - 0.1 - MOVE + noise).pvalue > 0.001
    follows: dict[str, list[str]] = {}
    for a, b in steps:
        if a != b:
            follows.setdefault(a, []).append(b)
    likeliest = {a: max(set(later), key=later.count) for a, later in follows.items()}
    moves = sum(likeliest[a] == b for a, b in steps if a != b)
    assert binomtest(moves, len(steps), MOVE + noise).pvalue > 0.001
    assert sorted(likeliest.values()) == sorted(likeliest), "one successor each: a cycle"


def pairs(toy: Dataset, row: int) -> list[tuple[int, int]]:
    items = toy.interactions[row].tolist()
    return list(pairwise(items))


def test_titles_tell_the_neighbourhood(toy: Dataset) -> None:
    """Of the five nearest items in TF-IDF space, nearly all are neighbours as planted."""
    embeddings = Tfidf().encode(toy.texts, runtime=Runtime())
    similarity = embeddings @ embeddings.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = np.argsort(-similarity, axis=1)[:, :5]
    kinds = np.array(toy.categories)
    assert (kinds[nearest] == kinds[:, None]).mean() > 0.98


def test_what_generalises_beats_what_is_remembered(toy: Dataset) -> None:
    """Counting transitions between neighbourhoods finds many more test items than counting
    transitions between items: the room in which semantic codes beat random ones."""
    kinds = np.unique(np.array(toy.categories), return_inverse=True)[1]
    n, k = len(toy.item_ids), len(NEIGHBOURHOODS)
    by_item, by_kind, popularity = np.zeros((n, n)), np.zeros((k, k)), np.full(n, 0.5)
    for q in range(len(toy.user_ids)):
        train = toy.interactions[q][:-2]
        np.add.at(popularity, train, 1)
        np.add.at(by_item, (train[:-1], train[1:]), 1)
        np.add.at(by_kind, (kinds[train[:-1]], kinds[train[1:]]), 1)

    def recall_at_10(scores: np.ndarray) -> float:  # [n, n], a row for each last item
        hits = 0
        for q in range(len(toy.user_ids)):
            *history, target = toy.interactions[q].tolist()
            row = scores[history[-1]].copy()
            row[history] = -1
            hits += int((row > row[target]).sum() < 10)
        return hits / len(toy.user_ids)

    remembered = recall_at_10(by_item + 1e-6 * popularity)
    general = recall_at_10(by_kind[kinds][:, kinds] * popularity)
    assert general > 0.6
    assert general > 1.3 * remembered


def test_more_noise_is_harder() -> None:
    def stays(noise: float) -> float:
        toy = Toy.of(noise=noise, users=300).load(runtime=Runtime())
        kinds = np.array(toy.categories)
        steps = [kinds[a] == kinds[b] for q in range(300) for a, b in pairs(toy, q)]
        return float(np.mean(steps))

    assert stays(0.0) > stays(0.3) + 0.1 > stays(1.0) + 0.2


def test_it_loads_at_once() -> None:
    start = time.perf_counter()
    Toy().load(runtime=Runtime())
    assert time.perf_counter() - start < 0.5

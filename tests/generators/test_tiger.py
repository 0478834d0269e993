"""Tiger learns what can be learnt, repeats itself bit for bit, survives storage and odd input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tokbench.api import GeneratorModel, Runtime
from tokbench.errors import ConfigError
from tokbench.generators import tiger as tiger_module
from tokbench.generators.tiger import Tiger, TigerModel
from tokbench.types import Catalog, Histories, Queries, SemanticIds, Sequences

ITEMS, USERS = 30, 60
SMALL: dict[str, Any] = {
    "encoder_layers": 1,
    "decoder_layers": 1,
    "d_model": 32,
    "d_ff": 64,
    "heads": 2,
    "d_head": 16,
    "history_items": 6,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "schedule": "cosine",
    "warmup_steps": 10,
}


def toy() -> tuple[Catalog, Histories, SemanticIds]:
    """Users walk a fixed permutation: the next item is a function of the last one."""
    rng = np.random.default_rng(0)
    successor = np.roll(rng.permutation(ITEMS), 1)
    rows = []
    for user in range(USERS):
        walk = [user % ITEMS]
        for _ in range(int(rng.integers(2, 12))):
            walk.append(int(successor[walk[-1]]))
        rows.append(walk)
    validation = Queries(
        np.arange(USERS),
        Sequences.of([row[:-1] for row in rows]),
        np.array([row[-1] for row in rows]),
    )
    codes = np.stack(np.unravel_index(rng.permutation(4 * 5 * 3)[:ITEMS], (4, 5, 3)), axis=1)
    names = tuple(str(item) for item in range(ITEMS))
    catalog = Catalog(names, names, np.zeros((ITEMS, 2), np.float32))
    return (
        catalog,
        Histories(Sequences.of([row[:-1] for row in rows]), validation),
        SemanticIds(codes.astype(np.int32), (4, 5, 3)),
    )


def train(seed: int = 0, runtime: Runtime | None = None, **options: Any) -> TigerModel:
    catalog, histories, ids = toy()
    tiger = Tiger.of(**{**SMALL, **options})
    return tiger.train(catalog, histories, ids, seed=seed, runtime=runtime or Runtime())


def assert_memorised(model: GeneratorModel, runtime: Runtime) -> None:
    """The toy's validation items come first, and the curve of the training is as it should be."""
    _, histories, ids = toy()
    queries = histories.validation
    beams = model.generate(queries.histories, width=10, runtime=runtime)
    hit = (beams.codes[:, 0] == ids.codes[queries.targets]).all(axis=1)
    assert hit.all(), f"Recall@1 = {hit.mean()}"
    curve = [row for row in runtime.rows if "validation_ndcg10" in row]
    assert curve[-1]["validation_ndcg10"] > curve[0]["validation_ndcg10"]
    assert set(curve[0]) >= {"epoch", "loss", "validation_recall10", "seconds"}


@pytest.mark.parametrize("positions", ["codes", "items"])
@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
def test_it_memorises_a_deterministic_catalogue(attention: str, positions: str) -> None:
    runtime = Runtime()
    batch = {"bidirectional": 32, "causal": 8}[attention]  # examples; windows of many targets
    options: dict[str, Any] = {
        "encoder_attention": attention,
        "encoder_positions": positions,
        "batch_size": batch,
        "history_items": 3,
    }
    model = train(runtime=runtime, dropout=0.0, epochs=60, eval_every=5, **options)
    assert_memorised(model, runtime)


@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
def test_same_seed_same_weights_bit_for_bit_and_other_seed_others(attention: str) -> None:
    before = torch.random.get_rng_state()
    first, second, other = (
        train(seed, encoder_attention=attention, epochs=2).state() for seed in (3, 3, 4)
    )
    assert torch.equal(before, torch.random.get_rng_state()), "the global generator is left alone"
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)


@pytest.fixture(scope="module")
def model() -> TigerModel:
    return train(encoder_attention="causal", epochs=3)


def test_at_full_width_every_tuple_is_scored_and_as_in_training(model: TigerModel) -> None:
    """What `exact_at_full_width` promises; the sum over all tuples is below 1, as the vocabulary
    has more than them."""
    _, histories, ids = toy()
    assert Tiger.exact_at_full_width
    beams = model.generate(histories.validation.histories, width=ITEMS, runtime=Runtime())
    every = {tuple(row) for row in ids.codes.tolist()}
    assert all({tuple(row) for row in codes.tolist()} == every for codes in beams.codes)
    assert (np.exp(beams.scores.astype(np.float64)).sum(axis=1) < 1).all()
    narrow = model.generate(histories.validation.histories, width=8, runtime=Runtime())
    assert (narrow.scores[:, 0] <= beams.scores[:, 0] + 1e-5).all()


def test_a_restored_model_writes_the_same_beams(model: TigerModel) -> None:
    _, histories, ids = toy()
    again = Tiger.of(**SMALL, encoder_attention="causal").restore(model.state(), ids)
    ours, theirs = (
        m.generate(histories.validation.histories, width=8, runtime=Runtime())
        for m in (model, again)
    )
    assert np.array_equal(ours.codes, theirs.codes)
    assert np.array_equal(ours.scores, theirs.scores)


def test_queries_keep_their_order_whatever_their_lengths(model: TigerModel) -> None:
    """Generated in one call or one by one; empty and over-long histories among them."""
    rng = np.random.default_rng(5)
    rows = [rng.integers(0, ITEMS, length) for length in (4, 0, 11, 1, 6, 4, 25, 2)]
    together = model.generate(Sequences.of(rows), width=6, runtime=Runtime())
    for row, history in enumerate(rows):
        alone = model.generate(Sequences.of([history]), width=6, runtime=Runtime())
        np.testing.assert_allclose(together.scores[row], alone.scores[0], atol=1e-4)
        assert np.array_equal(together.codes[row], alone.codes[0])
    long, short = rows[2], rows[2][-6:]
    pair = model.generate(Sequences.of([long, short]), width=6, runtime=Runtime())
    assert np.array_equal(pair.codes[0], pair.codes[1]), "only the last history_items are read"
    assert len({together.codes[row].tobytes() for row in range(len(rows))}) > 1


def test_beams_are_distinct_existing_codes_padded_past_the_catalogue(model: TigerModel) -> None:
    _, histories, ids = toy()
    queries = histories.validation.histories
    beams = model.generate(queries, width=ITEMS + 5, runtime=Runtime())
    everything = {tuple(code) for code in ids.codes.tolist()}
    for codes, scores in zip(beams.codes, beams.scores, strict=True):
        assert {tuple(code) for code in codes[:ITEMS].tolist()} == everything
        assert (codes[ITEMS:] == -1).all()
        assert np.isneginf(scores[ITEMS:]).all()
        assert (np.diff(scores[:ITEMS]) <= 0).all()


def test_items_that_share_a_tuple_are_one_beam() -> None:
    catalog, histories, ids = toy()
    codes: NDArray[np.int32] = ids.codes.copy()
    codes[1] = codes[0]
    shared = SemanticIds(codes, ids.level_sizes)
    tiger = Tiger.of(**SMALL, epochs=1)
    model = tiger.train(catalog, histories, shared, seed=0, runtime=Runtime())
    beams = model.generate(Sequences.of([[0], [1]]), width=ITEMS, runtime=Runtime())
    assert (beams.codes[:, -2] >= 0).all()
    assert (beams.codes[:, -1] == -1).all()


def test_no_gain_for_patience_validations_ends_training_with_the_best_weights() -> None:
    runtime = Runtime()
    model = train(
        runtime=runtime, epochs=50, patience=2, learning_rate=1e-9, warmup_steps=0, eval_every=3
    )
    rows = runtime.rows
    evaluated = [row for row in rows if "validation_ndcg10" in row]
    scores = [row["validation_ndcg10"] for row in evaluated]
    best = int(np.argmax(scores))
    assert len(rows) < 50
    assert len(evaluated) == best + 3
    assert [row["epoch"] for row in evaluated] == [3 * n for n in range(1, len(evaluated) + 1)]
    assert model.network.training is False


@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
def test_another_token_budget_trains_the_same_model(
    attention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without dropout the packing changes the order of float32 sums alone: losses to 1e-4.

    (With dropout it also changes which random numbers fall on which element.)
    """
    losses = []
    for budget in (4096, 64):
        monkeypatch.setitem(tiger_module.TRAIN_TOKENS, "cpu", budget)
        runtime = Runtime()
        train(runtime=runtime, encoder_attention=attention, epochs=3, dropout=0.0)
        losses.append([row["loss"] for row in runtime.rows])
    assert losses[0] != losses[1], "the budget did change the sums"
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def test_training_needs_a_pair_of_items() -> None:
    catalog, histories, ids = toy()
    lonely = Histories(Sequences.of([[1], [2]]), histories.validation)
    with pytest.raises(ConfigError, match="at least two items; the longest of 2 has 1"):
        Tiger.of(**SMALL).train(catalog, lonely, ids, seed=0, runtime=Runtime())


@pytest.mark.parametrize("preset", ["quick", "toy"])
def test_presets_are_valid_configurations(preset: str) -> None:
    assert Tiger.Config(**Tiger.presets[preset]) != Tiger.Config()

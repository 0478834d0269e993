"""SASRec learns what can be learnt, repeats itself bit for bit, survives storage and odd input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.generators.test_tiger import ITEMS, toy
from tokbench.api import Runtime
from tokbench.errors import ConfigError
from tokbench.generators.sasrec import SasRec, SasRecModel
from tokbench.types import Histories, SemanticIds, Sequences

SMALL: dict[str, Any] = {
    "layers": 1,
    "width": 32,
    "dropout": 0.1,
    "history_items": 6,
    "batch_size": 16,
    "minimum_steps": 0,
    "learning_rate": 1e-2,
    "warmup_steps": 10,
}


def train(seed: int = 0, runtime: Runtime | None = None, **options: Any) -> SasRecModel:
    catalog, histories, ids = toy()
    sasrec = SasRec.of(**{**SMALL, **options})
    return sasrec.train(catalog, histories, ids, seed=seed, runtime=runtime or Runtime())


@pytest.fixture(scope="module")
def model() -> SasRecModel:
    return train(epochs=2)


def test_it_memorises_a_deterministic_catalogue() -> None:
    runtime = Runtime()
    model = train(runtime=runtime, dropout=0.0, epochs=30, eval_every=3)
    _, histories, ids = toy()
    queries = histories.validation
    beams = model.generate(queries.histories, width=10, runtime=runtime)
    hit = (beams.codes[:, 0] == ids.codes[queries.targets]).all(axis=1)
    assert hit.all(), f"Recall@1 = {hit.mean()}"
    curve = [row for row in runtime.rows if "validation_ndcg10" in row]
    assert curve[-1]["validation_ndcg10"] > curve[0]["validation_ndcg10"]
    assert set(curve[0]) >= {"epoch", "loss", "validation_recall10", "seconds"}


def test_same_seed_same_weights_bit_for_bit_and_other_seed_others() -> None:
    before = torch.random.get_rng_state()
    first, second, other = (train(seed, epochs=2).state() for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state()), "the global generator is left alone"
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)


def test_a_restored_model_writes_the_same_beams(model: SasRecModel) -> None:
    _, histories, ids = toy()
    again = SasRec.of(**SMALL).restore(model.state(), ids)
    ours, theirs = (
        m.generate(histories.validation.histories, width=8, runtime=Runtime())
        for m in (model, again)
    )
    assert np.array_equal(ours.codes, theirs.codes)
    assert np.array_equal(ours.scores, theirs.scores)


def test_queries_keep_their_order_whatever_their_lengths(
    model: SasRecModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one call, in blocks or one by one; empty and over-long histories among them."""
    rng = np.random.default_rng(5)
    rows = [rng.permutation(ITEMS)[:length] for length in (4, 0, 11, 1, 6, 4, 25, 2)]
    together = model.generate(Sequences.of(rows), width=6, runtime=Runtime())
    monkeypatch.setattr("tokbench.generators.sasrec.LOGITS", 2 * ITEMS)
    blocks = model.generate(Sequences.of(rows), width=6, runtime=Runtime())
    assert np.array_equal(blocks.codes, together.codes)
    for row, history in enumerate(rows):
        alone = model.generate(Sequences.of([history]), width=6, runtime=Runtime())
        np.testing.assert_allclose(together.scores[row], alone.scores[0], atol=1e-4)
        assert np.array_equal(together.codes[row], alone.codes[0])
    assert len({together.codes[row].tobytes() for row in range(len(rows))}) > 1


def test_only_the_last_items_are_read(model: SasRecModel) -> None:
    long = np.arange(20)
    pair = model.generate(Sequences.of([long, long[-6:]]), width=6, runtime=Runtime())
    assert np.array_equal(pair.codes[0], pair.codes[1])
    np.testing.assert_allclose(pair.scores[0], pair.scores[1], atol=1e-5)


def test_beams_are_all_tuples_by_probability_with_what_was_had_last() -> None:
    catalog, histories, ids = toy()
    generator = SasRec.of(**SMALL, epochs=1, own_last=True)
    model = generator.train(catalog, histories, ids, seed=0, runtime=Runtime())
    history = [7, 3, 20]
    beams = model.generate(Sequences.of([history, []]), width=ITEMS + 5, runtime=Runtime())
    everything = {tuple(code) for code in ids.codes.tolist()}
    had = {tuple(ids.codes[item].tolist()) for item in history}
    shown = [tuple(code) for code in beams.codes[0].tolist()]
    assert set(shown[:ITEMS]) == everything
    assert set(shown[ITEMS - 3 : ITEMS]) == had
    assert (beams.codes[:, ITEMS:] == -1).all()
    assert np.isneginf(beams.scores[:, ITEMS:]).all()
    assert (np.diff(beams.scores[:, :ITEMS]) <= 0).all()
    assert np.exp(beams.scores[1, :ITEMS]).sum() == pytest.approx(1, rel=1e-4)


def test_items_that_share_a_tuple_are_one_class() -> None:
    catalog, histories, ids = toy()
    codes = ids.codes.copy()
    codes[1] = codes[0]
    shared = SemanticIds(codes, ids.level_sizes)
    sasrec = SasRec.of(**SMALL, epochs=1)
    model = sasrec.train(catalog, histories, shared, seed=0, runtime=Runtime())
    assert model.network.classes == ITEMS - 1
    beams = model.generate(Sequences.of([[5, 0], [5, 1]]), width=ITEMS, runtime=Runtime())
    assert np.array_equal(beams.codes[0], beams.codes[1])
    assert (beams.codes[:, -2] >= 0).all()
    assert (beams.codes[:, -1] == -1).all()


def test_no_gain_for_patience_validations_ends_training_with_the_best_weights() -> None:
    runtime = Runtime()
    train(runtime=runtime, epochs=50, patience=2, learning_rate=1e-9, warmup_steps=0, eval_every=3)
    evaluated = [row for row in runtime.rows if "validation_ndcg10" in row]
    best = int(np.argmax([row["validation_ndcg10"] for row in evaluated]))
    assert len(runtime.rows) < 50
    assert len(evaluated) == best + 3
    assert [row["epoch"] for row in evaluated] == [3 * n for n in range(1, len(evaluated) + 1)]


@pytest.mark.parametrize(("least", "passes"), [(0, 1), (12, 1), (13, 2), (24, 2), (25, 3)])
def test_little_data_is_read_several_times_an_epoch(least: int, passes: int) -> None:
    """Two epochs of the toy's 92 windows, six batches of 16 each, are 12 steps."""
    _, histories, ids = toy()
    model = SasRec.of(**SMALL, epochs=2).untrained(ids)
    once = model.examples(histories.train, "cpu")
    assert once.count == 92
    again = SasRec.of(**{**SMALL, "minimum_steps": least}, epochs=2).untrained(ids)
    examples = again.examples(histories.train, "cpu")
    assert examples.count == 92 * passes
    labels = [
        sum(batch.supervised for batch in some.micro_batches(np.arange(some.count)))
        for some in (once, examples)
    ]
    assert labels[1] == labels[0] * passes, "every window as often as any other"


def test_what_cannot_be_trained_is_said() -> None:
    catalog, histories, ids = toy()
    lonely = Histories(Sequences.of([[1], [2]]), histories.validation)
    with pytest.raises(ConfigError, match="at least two items"):
        SasRec().train(catalog, lonely, ids, seed=0, runtime=Runtime())
    with pytest.raises(ConfigError, match="multiple of heads"):
        train(width=32, heads=3)


def test_a_sampled_softmax_learns_too_and_is_another_training() -> None:
    runtime = Runtime()
    model = train(runtime=runtime, dropout=0.0, epochs=30, eval_every=3, negatives=8)
    _, histories, ids = toy()
    queries = histories.validation
    beams = model.generate(queries.histories, width=10, runtime=runtime)
    assert (beams.codes[:, 0] == ids.codes[queries.targets]).all(axis=1).mean() > 0.9
    plain, sampled = train(epochs=1).state(), train(epochs=1, negatives=8).state()
    assert any(not np.array_equal(plain[name], sampled[name]) for name in plain)

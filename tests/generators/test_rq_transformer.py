"""It learns what can be learnt, repeats itself bit for bit, survives storage and odd input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.generators.test_tiger import ITEMS, toy
from tokbench.api import Runtime
from tokbench.errors import ConfigError
from tokbench.generators.item_positions import passes
from tokbench.generators.rq_transformer import RqTransformer, RqTransformerModel
from tokbench.types import SemanticIds, Sequences

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


def train(
    seed: int = 0, runtime: Runtime | None = None, ids: SemanticIds | None = None, **options: Any
) -> RqTransformerModel:
    catalog, histories, codes = toy()
    generator = RqTransformer.of(**{**SMALL, **options})
    return generator.train(
        catalog, histories, ids or codes, seed=seed, runtime=runtime or Runtime()
    )


@pytest.fixture(scope="module")
def model() -> RqTransformerModel:
    return train(epochs=2)


def test_it_memorises_a_deterministic_catalogue() -> None:
    runtime = Runtime()
    model = train(runtime=runtime, dropout=0.0, epochs=30, eval_every=3, patience=10)
    _, histories, ids = toy()
    queries = histories.validation
    beams = model.generate(queries.histories, width=10, runtime=runtime)
    hit = (beams.codes[:, 0] == ids.codes[queries.targets]).all(axis=1)
    assert hit.all(), f"Recall@1 = {hit.mean()}"


def test_same_seed_same_weights_bit_for_bit_and_other_seed_others() -> None:
    before = torch.random.get_rng_state()
    first, second, other = (train(seed, epochs=2).state() for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state()), "the global generator is left alone"
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)


def test_a_restored_model_writes_the_same_beams(model: RqTransformerModel) -> None:
    _, histories, ids = toy()
    again = RqTransformer.of(**SMALL).restore(model.state(), ids)
    ours, theirs = (
        m.generate(histories.validation.histories, width=8, runtime=Runtime())
        for m in (model, again)
    )
    assert np.array_equal(ours.codes, theirs.codes)
    assert np.array_equal(ours.scores, theirs.scores)


def test_queries_keep_their_order_whatever_their_lengths(
    model: RqTransformerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one call, in blocks or one by one; empty and over-long histories among them."""
    rng = np.random.default_rng(5)
    rows = [rng.permutation(ITEMS)[:length] for length in (4, 0, 11, 1, 6, 4, 25, 2)]
    together = model.generate(Sequences.of(rows), width=6, runtime=Runtime())
    monkeypatch.setattr("tokbench.generators.rq_transformer.SEARCH_BEAMS", 12)
    blocks = model.generate(Sequences.of(rows), width=6, runtime=Runtime())
    assert np.array_equal(blocks.codes, together.codes)
    for row, history in enumerate(rows):
        alone = model.generate(Sequences.of([history]), width=6, runtime=Runtime())
        np.testing.assert_allclose(together.scores[row], alone.scores[0], atol=1e-4)
        assert np.array_equal(together.codes[row], alone.codes[0])
    assert len({together.codes[row].tobytes() for row in range(len(rows))}) > 1


def test_only_the_last_items_are_read(model: RqTransformerModel) -> None:
    long = np.arange(20)
    pair = model.generate(Sequences.of([long, long[-6:]]), width=6, runtime=Runtime())
    assert np.array_equal(pair.codes[0], pair.codes[1])


def test_items_that_share_a_tuple_are_one_class_and_beams_end_where_tuples_do() -> None:
    _, _, ids = toy()
    merged = SemanticIds(ids.codes // np.array([2, 2, 1], np.int32), ids.level_sizes)
    model = train(ids=merged, epochs=1)
    distinct = len(merged.groups()[0])
    beams = model.generate(Sequences.of([[1, 2], []]), width=distinct + 3, runtime=Runtime())
    shown = {tuple(codes) for codes in beams.codes[0, :distinct].tolist()}
    assert shown == {tuple(codes) for codes in merged.codes.tolist()}
    assert (beams.codes[:, distinct:] == -1).all()
    assert np.exp(beams.scores[0, :distinct]).sum() == pytest.approx(1, abs=1e-4)


def test_heads_must_share_the_width() -> None:
    with pytest.raises(ConfigError, match="width 32 is not a multiple of heads 5"):
        train(heads=5)


def test_little_data_is_passed_over_until_there_are_the_steps() -> None:
    assert passes(1000, batch_size=128, epochs=16, minimum_steps=1000) == 8  # 8 * 8 * 16 = 1,024
    assert passes(1000, batch_size=128, epochs=16, minimum_steps=0) == 1
    assert passes(10**6, batch_size=128, epochs=1, minimum_steps=1000) == 1

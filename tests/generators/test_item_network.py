"""Generators that read one position per item: they learn what can be learnt, repeat themselves bit
for bit, survive storage and odd input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.generators.test_tiger import ITEMS, assert_memorised, toy
from tokbench.api import Runtime
from tokbench.errors import ConfigError
from tokbench.generators.item_positions import passes
from tokbench.generators.network import NetworkGenerator
from tokbench.generators.parallel import Parallel
from tokbench.generators.rq_transformer import RqTransformer
from tokbench.generators.sasrec import SasRec
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
GENERATORS: dict[str, type[NetworkGenerator[Any]]] = {
    generator.name: generator for generator in (RqTransformer, Parallel, SasRec)
}


def train(
    name: str,
    seed: int = 0,
    runtime: Runtime | None = None,
    ids: SemanticIds | None = None,
    **options: Any,
) -> Any:
    catalog, histories, codes = toy()
    generator = GENERATORS[name].of(**{**SMALL, **options})
    return generator.train(
        catalog, histories, ids or codes, seed=seed, runtime=runtime or Runtime()
    )


@pytest.fixture(params=GENERATORS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {name: train(name, epochs=2) for name in GENERATORS}


@pytest.mark.parametrize("options", [{}, {"objective": "levels"}], ids=["", "levels"])
def test_it_memorises_a_deterministic_catalogue(name: str, options: dict[str, Any]) -> None:
    if options and name != "parallel":
        pytest.skip("an option of parallel")
    runtime = Runtime()
    options = {"epochs": 30, "eval_every": 1, "patience": 30, **options}
    model = train(name, 0, runtime, dropout=0.0, **options)
    assert_memorised(model, runtime)


def test_same_seed_same_weights_bit_for_bit_and_other_seed_others(name: str) -> None:
    before = torch.random.get_rng_state()
    first, second, other = (train(name, seed, epochs=2).state() for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state()), "the global generator is left alone"
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[key], second[key]) for key in first)
    assert any(not np.array_equal(first[key], other[key]) for key in first)


def test_a_restored_model_writes_the_same_beams(name: str, models: dict[str, Any]) -> None:
    _, histories, ids = toy()
    again = GENERATORS[name].of(**SMALL).restore(models[name].state(), ids)
    ours, theirs = (
        m.generate(histories.validation.histories, width=8, runtime=Runtime())
        for m in (models[name], again)
    )
    assert np.array_equal(ours.codes, theirs.codes)
    assert np.array_equal(ours.scores, theirs.scores)


def test_queries_keep_their_order_whatever_their_lengths(
    name: str, models: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one call, in blocks or one by one; empty and over-long histories among them."""
    model, rng = models[name], np.random.default_rng(5)
    rows = [rng.permutation(ITEMS)[:length] for length in (4, 0, 11, 1, 6, 4, 25, 2)]
    together = model.generate(Sequences.of(rows), width=6, runtime=Runtime())
    monkeypatch.setattr("tokbench.generators.item_network.SEARCH_BEAMS", 12)
    monkeypatch.setattr("tokbench.generators.item_positions.SCORES", 2 * ITEMS)
    blocks = model.generate(Sequences.of(rows), width=6, runtime=Runtime())
    assert np.array_equal(blocks.codes, together.codes)
    for row, history in enumerate(rows):
        alone = model.generate(Sequences.of([history]), width=6, runtime=Runtime())
        np.testing.assert_allclose(together.scores[row], alone.scores[0], atol=1e-4)
        assert np.array_equal(together.codes[row], alone.codes[0])
    assert len({together.codes[row].tobytes() for row in range(len(rows))}) > 1


def test_only_the_last_items_are_read(name: str, models: dict[str, Any]) -> None:
    long = np.arange(20)
    pair = models[name].generate(Sequences.of([long, long[-6:]]), width=6, runtime=Runtime())
    assert np.array_equal(pair.codes[0], pair.codes[1])
    np.testing.assert_allclose(pair.scores[0], pair.scores[1], atol=1e-5)


def test_items_that_share_a_tuple_are_one_class_and_beams_end_where_tuples_do(name: str) -> None:
    _, _, ids = toy()
    merged = SemanticIds(ids.codes // np.array([2, 2, 1], np.int32), ids.level_sizes)
    model = train(name, ids=merged, epochs=1)
    distinct = len(merged.groups()[0])
    beams = model.generate(Sequences.of([[1, 2], []]), width=distinct + 3, runtime=Runtime())
    shown = {tuple(codes) for codes in beams.codes[0, :distinct].tolist()}
    assert shown == {tuple(codes) for codes in merged.codes.tolist()}
    assert (beams.codes[:, distinct:] == -1).all()
    assert np.isneginf(beams.scores[:, distinct:]).all()
    assert np.exp(beams.scores[0, :distinct]).sum() == pytest.approx(1, abs=1e-4)


def test_heads_must_share_the_width(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: width 32 is not a multiple of heads 5"):
        train(name, heads=5)


def test_little_data_is_passed_over_until_there_are_the_steps() -> None:
    assert passes(1000, batch_size=128, epochs=16, minimum_steps=1000) == 8  # 8 * 8 * 16 = 1,024
    assert passes(1000, batch_size=128, epochs=16, minimum_steps=0) == 1
    assert passes(10**6, batch_size=128, epochs=1, minimum_steps=1000) == 1

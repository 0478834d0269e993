"""SASRec proposes by probability, ends early, and says what it cannot train (more in
test_item_network)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.generators.test_item_network import SMALL
from tests.generators.test_tiger import ITEMS, toy
from tokbench.api import Runtime
from tokbench.errors import ConfigError
from tokbench.generators.sasrec import SasRec, SasRecModel
from tokbench.types import Histories, SemanticIds, Sequences


def train(seed: int = 0, runtime: Runtime | None = None, **options: Any) -> SasRecModel:
    catalog, histories, ids = toy()
    sasrec = SasRec.of(**{**SMALL, **options})
    return sasrec.train(catalog, histories, ids, seed=seed, runtime=runtime or Runtime())


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


def test_a_sampled_softmax_learns_too_and_is_another_training() -> None:
    runtime = Runtime()
    model = train(runtime=runtime, dropout=0.0, epochs=30, eval_every=3, negatives=8)
    _, histories, ids = toy()
    queries = histories.validation
    beams = model.generate(queries.histories, width=10, runtime=runtime)
    assert (beams.codes[:, 0] == ids.codes[queries.targets]).all(axis=1).mean() > 0.9
    plain, sampled = train(epochs=1).state(), train(epochs=1, negatives=8).state()
    assert any(not np.array_equal(plain[name], sampled[name]) for name in plain)

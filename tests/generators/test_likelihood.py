"""log p of a tuple: all that a model could write sums to 1, and the search's own chain agrees."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.generators import test_item_network, test_tiger
from tests.generators.test_tiger import ITEMS, toy
from tokbench.api import Generator, Likelihood, Runtime
from tokbench.generators.bigram import Bigram
from tokbench.generators.parallel import Parallel
from tokbench.generators.popularity import Popularity
from tokbench.generators.rq_transformer import RqTransformer
from tokbench.generators.sasrec import SasRec
from tokbench.generators.tiger import Tiger, TigerModel
from tokbench.types import SemanticIds, Sequences

RUNTIME = Runtime()
ROWS = [[], [4], [3, 19, 7, 2], list(range(11)), [5, 5], [], [28, 1, 3]]
HISTORIES = Sequences.of(ROWS)
GENERATORS: dict[str, Generator] = {
    "tiger, bidirectional": Tiger.of(**test_tiger.SMALL, epochs=2),
    "tiger, causal": Tiger.of(**test_tiger.SMALL, encoder_attention="causal", epochs=2),
    "tiger, whole items": Tiger.of(**test_tiger.SMALL, encoder_positions="items", epochs=2),
    "sasrec": SasRec.of(**test_item_network.SMALL, epochs=2),
    "rq-transformer": RqTransformer.of(**test_item_network.SMALL, epochs=2),
    "parallel": Parallel.of(**test_item_network.SMALL, epochs=2),
    "popularity": Popularity(),
    "bigram": Bigram(),
}


def ids() -> SemanticIds:
    """Codes of which two items share a tuple."""
    _, _, unique = toy()
    codes = unique.codes.copy()
    codes[1] = codes[0]
    return SemanticIds(codes, unique.level_sizes)


@pytest.fixture(scope="module", params=GENERATORS)
def trained(request: pytest.FixtureRequest) -> tuple[Generator, Any]:
    generator = GENERATORS[request.param]
    catalog, histories, _ = toy()
    return generator, generator.train(catalog, histories, ids(), seed=0, runtime=RUNTIME)


def of_all(model: Any, tuples: NDArray[np.int32], histories: Sequences) -> NDArray[np.float64]:
    """log p of each tuple after each history, [Q, tuples]."""
    repeated = [histories[row] for row in range(len(histories)) for _ in tuples]
    codes = np.tile(tuples, (len(histories), 1))
    found = model.log_likelihood(Sequences.of(repeated), codes, runtime=RUNTIME)
    assert found.dtype == np.float64
    wide: NDArray[np.float64] = found.reshape(len(histories), len(tuples))
    return wide


def test_the_scores_of_beams_are_the_same_by_another_way(trained: tuple[Generator, Any]) -> None:
    """Of tiger: a step for each code with cached keys, against one pass over the whole tuple."""
    _, model = trained
    tuples, _, _ = ids().groups()
    beams = model.generate(HISTORIES, width=ITEMS - 1, runtime=RUNTIME)
    found = of_all(model, tuples, HISTORIES)
    for row in range(len(HISTORIES)):
        place = {tuple(code): n for n, code in enumerate(tuples.tolist())}
        order = [place[tuple(code)] for code in beams.codes[row].tolist()]
        np.testing.assert_allclose(found[row, order], beams.scores[row], atol=1e-4)
    assert (found.std(axis=1) > 0.01).all()


def test_probabilities_of_all_that_can_be_written_sum_to_one(
    trained: tuple[Generator, Any],
) -> None:
    """Tiger's vocabulary has the tokens of every level and START at each place: 13 ** 3."""
    generator, model = trained
    tuples, _, _ = ids().groups()
    if isinstance(model, TigerModel):
        vocabulary = range(1 + sum(ids().level_sizes))
        tuples = np.array(list(itertools.product(vocabulary, repeat=3)), np.int32)
        tuples = (tuples - model.base).astype(np.int32)
    some = Sequences.of(ROWS[:3])
    assert np.exp(of_all(model, tuples, some)).sum(axis=1) == pytest.approx([1] * 3, abs=1e-6)
    assert generator.is_distribution
    assert isinstance(model, Likelihood)


def test_a_tuple_of_no_item_has_no_probability_but_where_codes_are_written_one_by_one(
    trained: tuple[Generator, Any],
) -> None:
    _, model = trained
    strange = np.array([[c, 0, 0] for c in range(4)], np.int32)
    known = {tuple(row) for row in ids().codes.tolist()}
    strange = np.array([row for row in strange.tolist() if tuple(row) not in known], np.int32)
    assert len(strange)
    found = of_all(model, strange, HISTORIES)
    assert np.isfinite(found).all() if isinstance(model, TigerModel) else np.isneginf(found).all()


def test_queries_do_not_change_each_other(trained: tuple[Generator, Any]) -> None:
    """In one call or one by one, in any order, by the model or by one restored from its state."""
    generator, model = trained
    codes = ids().codes[[3, 0, 1, 11, 5, 29, 4]]
    together = model.log_likelihood(HISTORIES, codes, runtime=RUNTIME)
    again = generator.restore(model.state(), ids())
    assert isinstance(again, Likelihood)
    assert np.array_equal(again.log_likelihood(HISTORIES, codes, runtime=RUNTIME), together)
    for row, history in enumerate(ROWS):
        alone = model.log_likelihood(Sequences.of([history]), codes[[row]], runtime=RUNTIME)
        np.testing.assert_allclose(alone, together[[row]], atol=1e-5)
    long = Sequences.of([ROWS[3], ROWS[3][-6:]])  # history_items = 6
    pair = model.log_likelihood(long, codes[[0, 0]], runtime=RUNTIME)
    assert pair[0] == pytest.approx(pair[1], abs=1e-6)
    assert len(model.log_likelihood(Sequences.of([]), codes[:0], runtime=RUNTIME)) == 0


def test_dropout_is_off_after_training() -> None:
    catalog, histories, _ = toy()
    model = GENERATORS["sasrec"].train(catalog, histories, ids(), seed=0, runtime=RUNTIME)
    assert isinstance(model, Likelihood)
    model.network.train()  # type: ignore[attr-defined]
    codes = ids().codes[[3, 0, 1, 11, 5, 29, 4]]
    one, two = (model.log_likelihood(HISTORIES, codes, runtime=RUNTIME) for _ in range(2))
    assert np.array_equal(one, two)


def test_own_last_is_a_rule_of_proposing() -> None:
    catalog, histories, _ = toy()
    plain, last = (
        SasRec.of(**test_item_network.SMALL, epochs=1, own_last=own).train(
            catalog, histories, ids(), seed=0, runtime=RUNTIME
        )
        for own in (False, True)
    )
    history, codes = Sequences.of([[4, 5]]), ids().codes[[4]]
    found = [model.log_likelihood(history, codes, runtime=RUNTIME) for model in (plain, last)]
    assert found[1] > -50
    assert found[0] > -50

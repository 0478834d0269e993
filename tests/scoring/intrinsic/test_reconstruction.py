"""The linear decoder against scikit-learn, retrieval against a loop over the catalogue."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.preprocessing import OneHotEncoder

from tokbench.scoring.intrinsic.reconstruction import (
    distinct_rows,
    fidelity,
    linear_decoder,
    retrieval,
)
from tokbench.types import Floats, SemanticIds

RNG = np.random.default_rng(3)
IDS = SemanticIds(RNG.integers(0, 4, (60, 2)).astype(np.int32), (5, 6))
X: Floats = RNG.normal(size=(60, 7)).astype(np.float32) + 1
MEMBER = IDS.groups()[1]


def test_linear_decoder_against_least_squares_on_one_hot_codes() -> None:
    x_hat = linear_decoder(IDS, X)
    assert x_hat is not None
    features = OneHotEncoder().fit_transform(IDS.codes).toarray()
    expected = LinearRegression(fit_intercept=False).fit(features, X).predict(features)
    assert x_hat[MEMBER] == pytest.approx(expected, abs=1e-5)


def test_too_many_codes_have_no_linear_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokbench.scoring.intrinsic.reconstruction.MOST_CODES", 7)
    assert linear_decoder(IDS, X) is None


def test_fidelity_against_sklearn_and_loops() -> None:
    x_hat = linear_decoder(IDS, X)
    assert x_hat is not None
    found = fidelity(X, x_hat, MEMBER)
    guess = x_hat[MEMBER]
    expected = r2_score(X, guess, multioutput="variance_weighted")
    assert found["explained"] == pytest.approx(expected, abs=1e-6)
    cosines = [
        float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in zip(X, guess, strict=True)
    ]
    assert found["cosine"] == pytest.approx(np.mean(cosines), abs=1e-6)


def test_retrieval_against_a_loop_with_ties_at_their_expected_rank() -> None:
    x, codes = X.copy(), IDS.codes.copy()
    x[10] = x[11] = x[12]  # three items nobody can tell apart
    codes[10:13] = (4, 5)  # reconstructed exactly, by codes that nobody else has
    ids = SemanticIds(codes, IDS.level_sizes)
    member = ids.groups()[1]
    x_hat = linear_decoder(ids, x)
    assert x_hat is not None
    top1, reciprocal = [], []
    for i in range(60):
        guess = x_hat[member[i]].astype(np.float64)
        near = [float(guess @ row / np.linalg.norm(row)) for row in x.astype(np.float64)]
        better = sum(value > near[i] + 1e-9 for value in near)
        equal = sum(abs(value - near[i]) <= 1e-9 for value in near)
        ranks = range(better + 1, better + equal + 1)
        top1.append(np.mean([rank == 1 for rank in ranks]))
        reciprocal.append(np.mean([1 / rank for rank in ranks]))
    assert top1[10] == pytest.approx(1 / 3), "the case is there"
    found = retrieval(x, x_hat, member, np.arange(60))
    assert found["top1"] == pytest.approx(np.mean(top1), abs=1e-9)
    assert found["mrr"] == pytest.approx(np.mean(reciprocal), abs=1e-9)


def test_distinct_rows_rebuild_the_table() -> None:
    x = X[[0, 1, 0, 2, 1, 0]]
    rows, which, sizes = distinct_rows(x)
    assert len(rows) == 3
    assert np.array_equal(rows[which], x)
    assert sorted(sizes.tolist()) == [1, 2, 3]

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from tokbench.api import Runtime
from tokbench.datasets.toy import Toy
from tokbench.encoders.tfidf import Tfidf
from tokbench.errors import ContractError

TEXTS = ["red pen", "red pen set", "blue sofa", "grey sofa, 3 m", "grey sofa, 5 m", "..."]


def test_full_width_keeps_the_geometry_of_the_word_weights() -> None:
    """At full rank the SVD is a rotation: cosines equal those of the TF-IDF rows."""
    vectors = Tfidf().encode(TEXTS, runtime=Runtime())
    rows = TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True).fit_transform(TEXTS)
    np.testing.assert_allclose(vectors @ vectors.T, (rows @ rows.T).toarray(), atol=1e-6)


def test_the_leading_directions_are_the_exact_ones() -> None:
    """Against numpy's dense SVD, up to the sign of each direction."""
    texts = Toy().load(runtime=Runtime()).texts
    vectors = Tfidf.of(dimensions=20).encode(texts, runtime=Runtime())
    rows = TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True).fit_transform(texts).toarray()
    left, values, _ = np.linalg.svd(rows, full_matrices=False)
    exact = left[:, :20] * values[:20]
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    # Equal singular values leave a rotation free: compare what a rotation keeps.
    np.testing.assert_allclose(vectors @ vectors.T, exact @ exact.T, atol=2e-2)


def test_shape_norms_and_repeatability() -> None:
    vectors = Tfidf.of(dimensions=3).encode(TEXTS, runtime=Runtime())
    assert vectors.dtype == np.float32
    assert vectors.shape == (6, 3)
    np.testing.assert_allclose(np.linalg.norm(vectors[:5], axis=1), 1, atol=1e-6)
    assert np.array_equal(vectors, Tfidf.of(dimensions=3).encode(TEXTS, runtime=Runtime()))


def test_width_is_capped_by_the_catalogue() -> None:
    assert Tfidf().encode(TEXTS, runtime=Runtime()).shape == (6, 6)
    assert Tfidf().encode(["pen", "pen", "pen"], runtime=Runtime()).shape == (3, 1)
    assert Tfidf().encode(["red pen"], runtime=Runtime()).shape == (1, 1)


def test_texts_without_words_are_refused() -> None:
    with pytest.raises(ContractError, match="2 texts without a single one"):
        Tfidf().encode(["...", ""], runtime=Runtime())

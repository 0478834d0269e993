"""Latent semantic analysis: TF-IDF and a truncated SVD. Needs no model and no network.

Deerwester et al., "Indexing by Latent Semantic Analysis", JASIS 1990.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tokbench.api import Encoder, Runtime, option
from tokbench.errors import ContractError
from tokbench.types import Floats


class Tfidf(Encoder):
    """Unit vectors of the leading singular directions of the TF-IDF matrix."""

    name = "tfidf"
    citation = "Deerwester et al., Indexing by Latent Semantic Analysis, JASIS 1990"

    class Config(Encoder.Config):
        """Width of the vectors."""

        dimensions: int = option(
            256,
            ge=1,
            symbol="D",
            description="width of a vector; fewer where the catalogue has fewer items or words",
        )

    def encode(self, texts: Sequence[str], *, runtime: Runtime) -> Floats:
        """Embeddings, float32 [N, min(D, N, words)], rows of norm 1 (0 for a text without words).

        Raises ContractError where no text holds a word.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.preprocessing import normalize
        from sklearn.utils.extmath import randomized_svd

        # Single characters count as words: "3 m" and "5 m" differ.
        vectorizer = TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True)
        try:
            weights = vectorizer.fit_transform(texts)  # [N, words], sparse
        except ValueError as error:
            raise ContractError(
                "encoder 'tfidf'",
                expected="texts with words in them",
                found=f"{len(texts)} texts without a single one",
                remedy="check the dataset's template",
            ) from error
        width = min(self.config.dimensions, *weights.shape)
        with runtime.progress.track("singular vectors", total=1) as advance:
            # Ten power iterations bring the randomised directions to the exact ones.
            left, values, _ = randomized_svd(
                weights, width, n_oversamples=20, n_iter=10, random_state=0
            )
            advance()
        return np.ascontiguousarray(normalize(left * values), dtype=np.float32)

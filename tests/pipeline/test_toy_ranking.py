"""The toy catalogue's right answer is known: codes that keep its neighbourhoods beat random ones.

The whole pipeline is run, over two seeds, and the difference to random carries an interval.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import tokbench
from tokbench.report.outcomes import PerUser

SEMANTIC = ("rqvae", "cost", "cost:with-reconstruction", "hierarchical-kmeans")
SEEDS = (0, 1)
Users = NDArray[np.float64]


@pytest.fixture(scope="module")
def recall(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Users]:
    """Recall@10 of each user, averaged over seeds, by tokenizer."""
    folder = tmp_path_factory.mktemp("toy")
    records = tokbench.run(
        tokenizers=["random", *SEMANTIC],
        datasets=["toy"],
        encoder="tfidf",
        profile="toy",
        seeds=SEEDS,
        overrides=("tiger.epochs=8", "tiger.eval_every=8", "tiger.batch_size=24"),
        baselines=False,
        results=folder / "results",
        cache=folder / "cache",
    )
    assert [record.error for record in records] == [None] * len(records)
    users: dict[str, list[Users]] = {}
    for record in records:
        users.setdefault(record.spec.tokenizer.label, []).append(PerUser([record])["recall@10"][0])
    return {label: np.mean(seeds, axis=0) for label, seeds in users.items()}


@pytest.mark.parametrize("tokenizer", SEMANTIC)
def test_semantic_codes_beat_random_ones(recall: dict[str, Users], tokenizer: str) -> None:
    """The lower end of a paired 99 % bootstrap interval over users lies well above zero."""
    gain = recall[tokenizer] - recall["random"]
    rng = np.random.default_rng(0)
    means = [rng.choice(gain, len(gain)).mean() for _ in range(2000)]
    assert np.percentile(means, 0.5) > 0.05

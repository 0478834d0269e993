"""What is trained, and what stands on every board."""

from __future__ import annotations

from tokbench.schema.run_spec import is_baseline, trained


def test_a_baseline_that_counts_is_not_trained() -> None:
    assert is_baseline("item-id", "bigram") and not trained("item-id", "bigram")
    assert is_baseline("item-id", "sasrec") and trained("item-id", "sasrec")
    assert not is_baseline("rqvae", "bigram") and trained("rqvae", "bigram"), (
        "its codes have a seed"
    )
    assert not is_baseline("item-id", "tiger") and trained("item-id", "tiger")

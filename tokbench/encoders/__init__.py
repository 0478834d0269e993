"""Text encoders."""

from __future__ import annotations

from tokbench.api import Encoder, hookimpl


@hookimpl
def register_encoders() -> list[type[Encoder]]:
    """Built-in encoders."""
    from tokbench.encoders.minilm import MiniLm
    from tokbench.encoders.sentence_transformers import SentenceTransformers
    from tokbench.encoders.tfidf import Tfidf
    from tokbench.encoders.vectors import Vectors

    return [SentenceTransformers, MiniLm, Tfidf, Vectors]

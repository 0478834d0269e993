"""Rules for encoders.

Axes: N texts, D embedding width.
"""

from __future__ import annotations

import numpy as np

from tokbench.errors import TokbenchError
from tokbench.pipeline import stages
from tokbench.pipeline.contracts import described
from tokbench.testing import worlds
from tokbench.testing.subject import Subject
from tokbench.types import Floats

DATASET = worlds.dataset(48)
AWKWARD = ("", "a", "na\u00efve caf\u00e9 \u65e5\u672c", "word " * 3000, "line\nbreak\tand tab")
CLOSE = 1e-5


def shape_and_type(subject: Subject) -> str:
    """encode returns finite float32 [N, D], a row per text."""
    found = _standard(subject)
    given = subject.answers["dtype"]
    subject.require(
        given == np.float32,
        expected="float32",
        found=str(given),
        remedy="end with .astype(np.float32)",
    )
    return f"{found.shape[1]} wide"


def same_texts_same_vectors(subject: Subject) -> None:
    """The same texts give the same vectors, twice over and within one call."""
    one = _standard(subject)
    two = stages.embed(DATASET.texts, subject.build(), subject.runtime)
    subject.require(
        np.array_equal(one, two),
        expected="the vectors of the first time",
        found=f"different vectors for {int((one != two).any(axis=1).sum())} of {len(one)} texts",
        remedy="fix the seed of whatever is random, and switch dropout off",
    )
    texts = DATASET.texts[:24] * 2
    doubled = stages.embed(texts, subject.build(), subject.runtime)
    apart = float(np.abs(doubled[:24] - doubled[24:]).max())
    subject.require(
        apart <= CLOSE,
        expected="equal vectors for equal texts",
        found=f"a difference of {apart:.2g}",
        remedy="a vector may depend on its text and the collection, not on its place",
    )


def awkward_texts(subject: Subject) -> None:
    """Empty, long, foreign and broken lines of text get finite vectors."""
    texts = (*DATASET.texts[: -len(AWKWARD)], *AWKWARD)
    stages.embed(texts, subject.build(), subject.runtime)


def single_text(subject: Subject) -> str:
    """One text alone gets a vector, or an error that says why not."""
    try:
        found = subject.build().encode(DATASET.texts[:1], runtime=subject.runtime)
    except TokbenchError as error:
        return f"refused: {error}"
    subject.require(
        np.ndim(found) == 2 and len(found) == 1,
        expected="an array [1, D]",
        found=described(found),
        remedy="keep the axis of texts",
    )
    return ""


def _standard(subject: Subject) -> Floats:
    encoder = subject.build()
    encode = encoder.encode

    def watched(texts: object, *, runtime: object) -> object:
        found = encode(texts, runtime=runtime)
        subject.answers["dtype"] = getattr(found, "dtype", type(found).__name__)
        return found

    def embed() -> Floats:
        encoder.encode = watched  # `stages.embed` casts: look before it does
        return stages.embed(DATASET.texts, encoder, subject.runtime)

    found: Floats = subject.once("standard", embed)
    return found

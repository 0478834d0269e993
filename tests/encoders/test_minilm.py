from __future__ import annotations

import numpy as np
import pytest

from tokbench.api import Runtime
from tokbench.encoders import minilm
from tokbench.encoders.minilm import MiniLm
from tokbench.errors import MissingExtraError


def test_real_sentences_end_up_near_their_paraphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(minilm.MODULE)
    import socket

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    texts = ["a cordless telephone", "wireless phone handset", "chocolate cake with cream"]
    vectors = MiniLm().encode(texts, runtime=Runtime())
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2] + 0.2


def test_inputs_are_the_model_files() -> None:
    pytest.importorskip(minilm.MODULE)
    names = {path.name for path in MiniLm().inputs()}
    assert {"model.safetensors", "vocab.txt"} <= names
    assert not any(name.endswith(".pyc") for name in names)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "MODULE", "no_such_module_anywhere")
    with pytest.raises(MissingExtraError, match=r"tokbench\[minilm\]"):
        MiniLm().encode(["x"], runtime=Runtime())

"""Against transformers' own forward pass, on a tiny model made here: no network, no download."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tokbench.api import Advance, Runtime
from tokbench.encoders import sentence_transformers as module
from tokbench.encoders.sentence_transformers import SentenceTransformers
from tokbench.errors import ConfigError

TEXTS = ["red pen", "a blue pen and a red sofa", "sofa", "", "blue blue"] * 30
VOCABULARY = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "blue",
    "pen",
    "and",
    "red",
    "sofa",
    "query",
    ":",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import BertConfig, BertModel

    models: Any = import_module("sentence_transformers.models")  # its types moved with versions
    tokenizer: Any = import_module("transformers").BertTokenizerFast

    root = tmp_path_factory.mktemp("model")
    (root / "vocab.txt").write_text("\n".join(VOCABULARY))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(root / "bert")
    tokenizer(str(root / "vocab.txt")).save_pretrained(root / "bert")
    words = models.Transformer(str(root / "bert"))
    SentenceTransformer(modules=[words, models.Pooling(16, "mean")], device="cpu").save(
        str(root / "saved")
    )
    return root / "saved"


def mean_pooled(folder: Path, texts: list[str]) -> np.ndarray:
    """The mean of the last hidden states over real tokens, one text at a time."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        rows = [
            model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0).numpy()
            for text in texts
        ]
    return np.stack(rows)


def test_vectors_are_those_of_the_model_in_the_order_of_the_texts(folder: Path) -> None:
    encoder = SentenceTransformers.of(model=str(folder), normalize=False, batch_size=4)
    vectors = encoder.encode(TEXTS, runtime=Runtime())
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, mean_pooled(folder, TEXTS), atol=1e-5)


def test_norms_and_prompt(folder: Path) -> None:
    plain = SentenceTransformers.of(model=str(folder))
    vectors = plain.encode(TEXTS, runtime=Runtime())
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    prompted = SentenceTransformers.of(model=str(folder), prompt="query: ")
    expected = plain.encode([f"query: {text}" for text in TEXTS], runtime=Runtime())
    np.testing.assert_allclose(prompted.encode(TEXTS, runtime=Runtime()), expected, atol=1e-5)
    assert not np.allclose(expected, vectors)


def test_progress_ends_where_it_should(folder: Path) -> None:
    seen: list[int] = []

    class Bar:
        def track(self, description: str, *, total: int) -> AbstractContextManager[Advance]:
            assert total == len(TEXTS)

            def advance(units: int = 1, note: str = "") -> None:
                seen.append(units)

            return nullcontext(advance)

    encoder = SentenceTransformers.of(model=str(folder), batch_size=4)
    encoder.encode(TEXTS, runtime=Runtime(progress=Bar()))
    assert len(seen) > 3
    assert sum(seen) == len(TEXTS)


def test_inputs_are_the_files_of_a_folder_and_nothing_for_a_name(folder: Path) -> None:
    names = {path.name for path in SentenceTransformers.of(model=str(folder)).inputs()}
    assert {"model.safetensors", "modules.json", "config.json"} <= names
    assert list(SentenceTransformers().inputs()) == []


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"not a sentence-transformers folder"):
        SentenceTransformers.of(model=str(tmp_path)).encode(["x"], runtime=Runtime())


def test_an_unreachable_hub_is_an_error_with_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(*args: Any, **options: Any) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "model_info", refuse)
    with pytest.raises(ConfigError, match="cannot be reached") as caught:
        SentenceTransformers.of(model="nobody/no-such-model").encode(["x"], runtime=Runtime())
    assert "minilm" in str(caught.value)
    assert "encoder.model=FOLDER" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_that_cannot_be_one_is_named() -> None:
    with pytest.raises(ConfigError, match="neither a folder nor a model"):
        module.ask_hub("./not/a/model")

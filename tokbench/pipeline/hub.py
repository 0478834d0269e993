"""A run's semantic IDs on the Hugging Face hub: a repository with a card, and back again.

Files of a repository: `semantic_ids.json`, {item_id: [codes]}; `codebooks.safetensors`, a float32
[K, D] per level, where the embeddings are at hand; `record.json`, the run itself; `README.md`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tokbench.errors import ConfigError, TokbenchError, one_line, sentence
from tokbench.ids.code_table import CodeTable
from tokbench.ids.formats import write_table
from tokbench.pipeline.again import cell_of
from tokbench.pipeline.cell import DataCache
from tokbench.pipeline.context import RunContext
from tokbench.pipeline.shared_store import open_store
from tokbench.pipeline.stages import STAGE, key_of
from tokbench.registry.registry import Registry
from tokbench.schema.record import Record, read_record
from tokbench.scoring.collisions import fit_codebooks
from tokbench.types import Floats

TABLE, CODEBOOKS, RECORD = "semantic_ids.json", "codebooks.safetensors", "record.json"
SHOWN = ("recall@5", "recall@10", "recall@20", "ndcg@10", "duplicate_rate")


def push(record: Record, table: CodeTable, embeddings: Floats | None, repository: str,
         *, licence: str, private: bool) -> str:  # fmt: skip
    """Upload a run's table as the model repository `repository`; returns its address.

    `embeddings` [N, D] in the table's order give the codebooks. Logs in as `hf auth login` or
    HF_TOKEN say, at the hub that HF_ENDPOINT names. Raises ConfigError for what the hub refuses.
    """
    from huggingface_hub import HfApi

    with TemporaryDirectory() as scratch, _hub(f"repository {repository!r}"):
        folder = Path(scratch)
        write_repository(folder, record, table, embeddings, licence=licence)
        api = HfApi()
        url = api.create_repo(repository, private=private, exist_ok=True)
        message = f"Semantic IDs of tokbench run {record.run_id}"
        api.upload_folder(repo_id=url.repo_id, folder_path=folder, commit_message=message)
    return str(url)


def pull(repository: str, folder: Path, *, revision: str | None = None) -> Record:
    """Download a repository that `push` made into `folder`; returns its record.

    Raises ConfigError for a repository that is not there or holds no table, RecordError for a
    damaged record.
    """
    from huggingface_hub import snapshot_download

    with _hub(f"repository {repository!r}"):
        snapshot_download(
            repository, revision=revision, local_dir=folder,
            allow_patterns=[TABLE, CODEBOOKS, RECORD, "README.md"],
        )  # fmt: skip
    missing = [name for name in (TABLE, RECORD) if not (folder / name).is_file()]
    if missing:
        raise ConfigError(
            f"repository {repository!r} has no {' and no '.join(missing)}: "
            "not one of `tokbench ids push`"
        )
    return read_record(folder / RECORD)


def write_repository(folder: Path, record: Record, table: CodeTable, embeddings: Floats | None,
                     *, licence: str) -> None:  # fmt: skip
    """The files of a repository."""
    write_table(table, folder / TABLE, "json")
    (folder / RECORD).write_text(record.model_dump_json(indent=1), encoding="utf-8")
    if embeddings is not None:
        from safetensors.numpy import save_file

        codebooks = fit_codebooks(table.ids, embeddings)
        save_file(
            {f"level{n + 1}": book.astype(np.float32) for n, book in enumerate(codebooks)},
            folder / CODEBOOKS,
        )
    (folder / "README.md").write_text(
        card(record, table, licence=licence, codebooks=embeddings is not None), encoding="utf-8"
    )


def card(record: Record, table: CodeTable, *, licence: str, codebooks: bool) -> str:
    """The model card: what was coded by what, how to load it, and how it scored."""
    spec, outcome = record.spec, record.outcome
    assert outcome is not None  # `table_of` refused a failed run
    sizes = ", ".join(map(str, table.ids.level_sizes))
    figures = [
        f"| {name} | {figure.value:.4f} | "
        + (f"[{figure.low:.4f}, {figure.high:.4f}]" if figure.low is not None else "")
        + " |"
        for name in SHOWN
        if (figure := outcome.figures.get(name)) is not None
    ]
    options = json.dumps(spec.tokenizer.config, sort_keys=True)
    encoder = spec.encoder.config.get("model", spec.encoder.label)
    lines = [
        "---", f"license: {licence}", "library_name: tokbench",
        "tags: [semantic-ids, generative-recommendation, tokbench]", "---", "",
        f"# Semantic IDs of {spec.dataset.label} by {spec.tokenizer.label}", "",
        f"{len(table)} items, {table.ids.levels} codes an item, levels of {sizes} codes.", "",
        "| | |", "| --- | --- |",
        f"| dataset | {spec.dataset.label}, content {outcome.digests['dataset'][:12]} |",
        f"| encoder | {encoder} |",
        f"| tokenizer | {spec.tokenizer.label}, `{spec.tokenizer.fingerprint}`, "
        f"seed {spec.tokenizer_seed} |",
        f"| options | `{options}` |",
        f"| collision policy | {spec.collision_policy} |",
        f"| run | {record.run_id}, profile {spec.profile}, protocol {spec.protocol} |", "",
        f"## Figures under the generator {spec.generator.label}", "",
        "| figure | value | 95 %, users |", "| --- | --- | --- |", *figures, "",
        "## Use", "",
        "    tokbench ids pull REPOSITORY --out codes",
        f"    tokbench run --codes codes/{TABLE} --dataset {spec.dataset.label} "
        f"--set table.level_sizes=[{sizes.replace(' ', '')}]", "",
    ]  # fmt: skip
    if codebooks:
        lines += [
            f"`{CODEBOOKS}`: per level the mean of what the levels before leave of the embeddings "
            "of a code's items; the sum of an item's code vectors approximates its embedding.", "",
        ]  # fmt: skip
    return "\n".join(lines)


def stored_embeddings(record: Record, registry: Registry, context: RunContext) -> Floats | None:
    """The embeddings [N, D] that a run was made from, where the cache has them."""
    try:
        cell = cell_of(record.spec, registry)
    except ConfigError:
        return None  # the dataset, or the encoder, is elsewhere or another now
    stage, data = STAGE["embed"], DataCache(context.runtime()).of(cell)
    key = key_of(stage, {name: data.digest(name, cell) for name in stage.inputs})
    artifact = open_store(context).find(stage.name, key)
    if artifact is None or stage.load is None:
        return None
    found: Floats = stage.load(artifact.folder)
    return found


@contextmanager
def _hub(what: str) -> Iterator[None]:
    """What the hub and the network refuse, as a ConfigError with the ways out."""
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        yield
    except TokbenchError:
        raise
    except HFValidationError as error:
        raise ConfigError(f"{what}: write OWNER/NAME ({one_line(str(error))})") from error
    except RepositoryNotFoundError as error:
        raise ConfigError(
            f"{what}: not on the hub, or not yours to see or write (`hf auth login`, or HF_TOKEN)"
        ) from error
    except Exception as error:  # the http library behind the hub changes with its version
        raise ConfigError(
            f"{what}: no answer from the hub that can be used: {sentence(error)}"
        ) from error

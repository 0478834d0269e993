"""The plugin manual: five hooks, each returns a list of classes.

Write any of these functions in a module, mark it with `@tokbench.hookimpl`, and name the module
under the entry-point group `tokbench` in your pyproject.toml (or pass the file with `--plugin`).
The built-in components come in through the same five functions.
"""

from __future__ import annotations

from tokbench.api import DatasetSource, Encoder, Generator, Metric, Tokenizer, hookspec


@hookspec
def register_datasets() -> list[type[DatasetSource]]:  # type: ignore[empty-body]
    """Sources of items and interactions.

    Each class: `load(*, runtime) -> Dataset`, texts of N items and each user's items in time
    order; `inputs()` lists the files it reads, so that a changed file is a changed dataset.
    """


@hookspec
def register_encoders() -> list[type[Encoder]]:  # type: ignore[empty-body]
    """Text encoders.

    Each class: `encode(texts, *, runtime) -> float32 [N, D]`, finite, one row per text.
    """


@hookspec
def register_tokenizers() -> list[type[Tokenizer]]:  # type: ignore[empty-body]
    """Semantic tokenizers.

    Each class: `tokenize(catalog, *, seed, runtime) -> SemanticIds(codes [N, M], level_sizes)`.
    Same catalogue and seed, same codes. Two items may share a tuple: the collision policy of the
    run decides what becomes of them.
    """


@hookspec
def register_generators() -> list[type[Generator]]:  # type: ignore[empty-body]
    """Sequence models that write code tuples.

    Each class: `train(catalog, histories, ids, *, seed, runtime) -> GeneratorModel`, whose
    `generate(histories, *, width, runtime) -> Beams(codes [Q, B, M], scores [Q, B])`. Code tuples,
    never item ids: the core expands tuples to items and scores them, alike for everyone.
    """


@hookspec
def register_metrics() -> list[type[Metric]]:  # type: ignore[empty-body]
    """Figures of merit.

    Each class: `score(placement, ids, embeddings) -> {name: float or array [Q]}` and
    `higher_is_better`.
    """

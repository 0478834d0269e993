"""`tokbench ids`: semantic ids out of a run, to a hub and back, and under the lens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokbench.cli.report import FORMAT, show
from tokbench.cli.screen import say
from tokbench.cli.show import PLUGIN

if TYPE_CHECKING:
    from tokbench.ids.formats import FormatName

FORMATS = ("lc-rec", "json", "csv", "parquet", "npy")


@click.group("ids", short_help="Export, share, extend or audit semantic IDs.")
def ids_command() -> None:
    """Semantic IDs in and out.

    To benchmark a table, give it to `tokbench run --codes FILE`.
    """


@ids_command.command("export", short_help="Write the codes of a run to a file.")
@click.argument("run")
@click.option("--format", "form", type=click.Choice(FORMATS), required=True,
              help="lc-rec is what LC-Rec, LETTER and MiniOneRec read.")  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True,
              help="The file to write; npy adds a second one, FILE.json.")  # fmt: skip
@click.option("-d", "--dataset", "name", default=None,
              help="The run's dataset, a name or folder [default: the record's].")  # fmt: skip
@click.option("--results", type=click.Path(file_okay=False, path_type=Path),
              default=Path("results"), show_default=True, help="Where records are.")  # fmt: skip
@PLUGIN
def export_command(
    run: str, form: str, out: Path, name: str | None, results: Path, plugins: tuple[Path, ...]
) -> None:
    """Write the codes of RUN, a record file or the beginning of a run id.

    These are the codes that items were generated under, after the collision policy: run with
    `--collision-policy none` to get a tokenizer's own. The item ids come from the dataset, which
    has to be the very one of the run.
    """
    from tokbench.api import Runtime
    from tokbench.ids.formats import FORMATS, write_table
    from tokbench.pipeline.export import find_run, source_of, table_of
    from tokbench.registry.isolated.isolated import isolated_registry

    record = find_run(run, results)
    dataset = source_of(record, isolated_registry(plugins), name).load(runtime=Runtime())
    table = table_of(record, dataset)
    files = write_table(table, out, form)
    sizes = ", ".join(str(size) for size in table.ids.level_sizes)
    say(f"{len(table)} items, levels of {sizes} codes: {', '.join(map(str, files))}")
    if not FORMATS[form].holds_sizes:
        asked = sizes.replace(" ", "")
        say(
            f"format {form} holds no level sizes: to read them back, --level-sizes {asked} or "
            f"--set table.level_sizes=[{asked}]",
            err=True,
        )


@ids_command.command("audit", short_help="Say what a code table is like.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("-d", "--dataset", "name", required=True, help="The dataset whose items it codes.")
@click.option("--format", "form", type=click.Choice(["terminal", "json"]), default="terminal",
              show_default=True, help="How to print the findings.")  # fmt: skip
@click.option("--table-format", type=click.Choice(["auto", *FORMATS]), default="auto",
              show_default=True, help="How the file is laid out.")  # fmt: skip
@click.option("--level-sizes", default="", metavar="K,K,...",
              help="Codes at each level [default: the file's, or largest code + 1].")  # fmt: skip
@click.option("--groups", type=click.IntRange(min=0), default=10, show_default=True,
              help="How many of the largest groups of colliding items to list.")  # fmt: skip
@click.option("--set", "overrides", multiple=True, metavar="dataset.OPTION=VALUE",
              help="Override an option of the dataset. Repeatable.")  # fmt: skip
@PLUGIN
def audit_command(
    file: Path, name: str, form: str, table_format: FormatName, level_sizes: str, groups: int,
    overrides: tuple[str, ...], plugins: tuple[Path, ...],
) -> int:  # fmt: skip
    """Say what the code table in FILE is like, before anything is trained on it.

    Ends with status 1 when the table cannot be benchmarked as it is: a faulty row, or an item of
    the dataset without codes. Collisions and dead codes are findings, not faults.
    """
    from tokbench.api import Runtime
    from tokbench.cli.audit import as_json, print_audit
    from tokbench.errors import DatasetError
    from tokbench.ids.audit import audit_table
    from tokbench.ids.formats import read_table
    from tokbench.pipeline.resolve import find_dataset
    from tokbench.registry.isolated.isolated import isolated_registry

    faults: list[DatasetError] = []
    sizes = _sizes(level_sizes)
    table = read_table(file, table_format, level_sizes=sizes, fault=faults.append)
    dataset = find_dataset(name, isolated_registry(plugins), overrides).load(runtime=Runtime())
    audit = audit_table(table, dataset, groups=groups)
    if form == "json":
        say(as_json(audit, faults))
    else:
        print_audit(audit, faults)
    return 1 if faults or audit.coverage.missing else 0


@ids_command.command("push", short_help="Upload the codes of a run to the Hugging Face hub.")
@click.argument("run")
@click.argument("repository", metavar="OWNER/NAME")
@click.option("--license", "licence", required=True,
              help="Of the table, as the hub writes it: apache-2.0, cc-by-4.0, other.")  # fmt: skip
@click.option("--private", is_flag=True, help="Only you see the repository.")
@click.option("-d", "--dataset", "name", default=None,
              help="The run's dataset, a name or folder [default: the record's].")  # fmt: skip
@click.option("--results", type=click.Path(file_okay=False, path_type=Path),
              default=Path("results"), show_default=True, help="Where records are.")  # fmt: skip
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), default=None,
              help="Where artifacts are [default: the user cache, or TOKBENCH_CACHE].")  # fmt: skip
@PLUGIN
def push_command(
    run: str, repository: str, licence: str, private: bool, name: str | None, results: Path,
    cache: Path | None, plugins: tuple[Path, ...],
) -> None:  # fmt: skip
    """Upload the codes of RUN, with a card, its record, and codebooks in safetensors.

    Codebooks are written where the embeddings of the run are in the cache. Log in with
    `hf auth login` or HF_TOKEN; another hub: HF_ENDPOINT.
    """
    from tokbench.api import Runtime
    from tokbench.pipeline.context import RunContext, default_cache
    from tokbench.pipeline.export import find_run, source_of, table_of
    from tokbench.pipeline.hub import push, stored_embeddings
    from tokbench.registry.isolated.isolated import isolated_registry

    record, registry = find_run(run, results), isolated_registry(plugins)
    dataset = source_of(record, registry, name).load(runtime=Runtime())
    table = table_of(record, dataset)
    vectors = stored_embeddings(record, registry, RunContext(cache=cache or default_cache()))
    if vectors is None:
        say("no codebooks: the embeddings of this run are not in the cache", err=True)
    where = push(record, table, vectors, repository, licence=licence, private=private)
    say(f"{len(table)} items: {where}")


@ids_command.command("pull", short_help="Download codes that `push` uploaded.")
@click.argument("repository", metavar="OWNER/NAME")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True,
              help="The folder to write to.")  # fmt: skip
@click.option("--revision", default=None, help="A branch, tag or commit [default: main].")
def pull_command(repository: str, out: Path, revision: str | None) -> None:
    """Download a table of codes and say how to benchmark it."""
    from tokbench.pipeline.hub import TABLE, pull

    record = pull(repository, out, revision=revision)
    assert record.outcome is not None  # a failed run has no codes to push
    sizes = ",".join(str(size) for size in record.outcome.read_ids().level_sizes)
    say(f"{out / TABLE}: {record.spec.tokenizer.label} of {record.spec.dataset.label}")
    say(
        f"tokbench run --codes {out / TABLE} --dataset {record.spec.dataset.label} "
        f"--set table.level_sizes=[{sizes}]"
    )


@ids_command.command("extend", short_help="Give codes to items that a table lacks.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("-d", "--dataset", "name", required=True,
              help="The dataset as it is now, old and new items.")  # fmt: skip
@click.option("-e", "--encoder", "encoder_name", required=True,
              help="The encoder that the table was made from.")  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True,
              help="The file to write.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(FORMATS), default="json", show_default=True,
              help="How to write it.")  # fmt: skip
@click.option("--table-format", type=click.Choice(["auto", *FORMATS]), default="auto",
              show_default=True, help="How FILE is laid out.")  # fmt: skip
@click.option("--level-sizes", default="", metavar="K,K,...",
              help="Codes at each level [default: the file's, or largest code + 1].")  # fmt: skip
@click.option("--collision-policy", type=click.Choice(["nearest-free", "none"]),
              default="nearest-free", show_default=True,
              help="Of a new item whose tuple is taken: move to a free one, or stay.")  # fmt: skip
@click.option("--set", "overrides", multiple=True, metavar="SCOPE.OPTION=VALUE",
              help="Override an option of the dataset or the encoder. Repeatable.")  # fmt: skip
@PLUGIN
def extend_command(
    file: Path, name: str, encoder_name: str, out: Path, form: str, table_format: FormatName,
    level_sizes: str, collision_policy: str, overrides: tuple[str, ...], plugins: tuple[Path, ...],
) -> None:  # fmt: skip
    """Add the items that DATASET has and the table in FILE lacks; the others keep their codes.

    A new item gets, level by level, the code whose items are nearest in what the levels before
    leave of their embeddings. Items of the table that the dataset lacks are left out.
    """
    from tokbench.api import Encoder, Runtime
    from tokbench.cli.progress import progress
    from tokbench.errors import DatasetError
    from tokbench.ids.code_table import CodeTable
    from tokbench.ids.formats import read_table, write_table
    from tokbench.pipeline import stages
    from tokbench.pipeline.cell import reads_ids
    from tokbench.pipeline.resolve import find_component, find_dataset
    from tokbench.registry.isolated.isolated import isolated_registry
    from tokbench.scoring.extending import extend
    from tokbench.types import SemanticIds

    registry = isolated_registry(plugins)
    table = read_table(file, table_format, level_sizes=_sizes(level_sizes))
    of = {scope: tuple(one for one in overrides if one.startswith(f"{scope}."))
          for scope in ("dataset", "encoder")}  # fmt: skip
    if len(of["dataset"]) + len(of["encoder"]) < len(overrides):
        raise click.BadParameter("write dataset.OPTION=VALUE or encoder.OPTION=VALUE",
                                 param_hint="--set")  # fmt: skip
    dataset = find_dataset(name, registry, of["dataset"]).load(runtime=Runtime())
    encoder = find_component("encoder", encoder_name, registry, overrides=of["encoder"])
    assert isinstance(encoder, Encoder)
    rows = table.rows_of(dataset.item_ids)
    known, new = (rows >= 0).nonzero()[0], (rows < 0).nonzero()[0]
    if not len(known):
        raise DatasetError(f"none of its items is in dataset {name!r}", path=file)
    runtime = Runtime(progress=progress())
    encoded = dataset.item_ids if reads_ids(encoder) else dataset.texts
    embeddings = stages.embed(encoded, encoder, runtime)
    kept = SemanticIds(table.ids.codes[rows[known]], table.ids.level_sizes)
    made = extend(kept, embeddings[known], embeddings[new], policy=collision_policy)
    item_ids = tuple(dataset.item_ids[n] for n in (*known, *new))
    files = write_table(CodeTable(item_ids, made), out, form)
    say(f"{len(known)} items as they were, {len(new)} added, {len(table) - len(known)} left out: "
        f"{', '.join(map(str, files))}")  # fmt: skip


@ids_command.command("churn", short_help="Say what changed between two tables.")
@click.argument("old", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("new", type=click.Path(dir_okay=False, path_type=Path))
@FORMAT
def churn_command(old: Path, new: Path, form: str) -> None:
    """Compare the table in OLD with its refresh in NEW, item by item.

    A model that was trained on the old codes has to learn every item anew whose tuple changed;
    prefixes that stay keep part of what it knows. Codes are compared as they are, and after the
    best renaming of each level, which a retrained model could undo.
    """
    from tokbench.ids.formats import read_table
    from tokbench.report.churn import churn

    show([churn(read_table(old), read_table(new))], form)


def _sizes(text: str) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",")] if text else []
    if not all(word.isascii() and word.isdigit() and 0 < int(word) < 2**31 for word in words):
        raise click.BadParameter(f"{text!r}: write whole numbers from 1 up, as in 256,256,256",
                                 param_hint="--level-sizes")  # fmt: skip
    return tuple(int(word) for word in words)

"""`tokbench ids`: semantic ids out of a run, and published ones under the lens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokbench.cli.screen import say
from tokbench.cli.show import PLUGIN

if TYPE_CHECKING:
    from tokbench.ids.formats import FormatName

FORMATS = ("lc-rec", "json", "csv", "parquet", "npy")


@click.group("ids", short_help="Export semantic IDs, or audit a table of them.")
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


def _sizes(text: str) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",")] if text else []
    if not all(word.isascii() and word.isdigit() and 0 < int(word) < 2**31 for word in words):
        raise click.BadParameter(f"{text!r}: write whole numbers from 1 up, as in 256,256,256",
                                 param_hint="--level-sizes")  # fmt: skip
    return tuple(int(word) for word in words)

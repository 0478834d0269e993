"""`tokbench data`: prepare, import, check, look at and make up datasets."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokbench.cli.official import FOLDER, prepare_command, recipes_command
from tokbench.cli.request import with_options
from tokbench.cli.screen import say
from tokbench.cli.show import PLUGIN

if TYPE_CHECKING:
    from tokbench.errors import DatasetError
    from tokbench.ingest.formats.columns import Columns
    from tokbench.ingest.formats.rows import UnknownItems
    from tokbench.ingest.importing import FormatName, Imported
    from tokbench.ingest.interactions import Statistics

FORMATS = ("auto", "folder", "lc-rec", "recbole", "csv", "parquet")
SHAPES = ("mind", "office-s", "office-l", "office-5core")
SET = click.option("--set", "overrides", multiple=True, metavar="dataset.OPTION=VALUE",
                   help="Override an option of the dataset. Repeatable.")  # fmt: skip
LAYOUT = [
    click.option("--format", "form", type=click.Choice(FORMATS), default="auto",
                 show_default=True, help="How the files are laid out."),
    click.option("--items", type=click.Path(dir_okay=False, path_type=Path), default=None,
                 help="The items file, where it is not found beside the interactions."),
    click.option("--user-column", default="", help="Column of user ids [default: guessed]."),
    click.option("--item-column", default="", help="Column of item ids [default: guessed]."),
    click.option("--time-column", default="",
                 help="Column of times or dates [default: guessed; without one: file order]."),
    click.option("--title-column", default="", help="Column of titles [default: guessed]."),
    click.option("--unknown-items", type=click.Choice(["error", "keep", "drop"]), default="error",
                 show_default=True, help="Items that no row of the items file describes; drop "
                                         "leaves out the interactions with them."),
]  # fmt: skip


@click.group("data", short_help="Prepare, import, check and show datasets.")
def data_command() -> None:
    """Datasets: the paper's from their official files, and anybody's own.

    \b
    tokbench data prepare mind
    tokbench data import my-logs --out my-data
    tokbench data show my-data
    tokbench run --dataset my-data --tokenizer cost
    """


data_command.add_command(prepare_command)
data_command.add_command(recipes_command)


@data_command.command("import", short_help="Turn other layouts into a dataset folder.")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--out", type=FOLDER, required=True, help="The folder to write.")
@with_options(LAYOUT)
def import_command(
    source: Path, out: Path, form: FormatName, items: Path | None, unknown_items: UnknownItems,
    **columns: str,
) -> None:  # fmt: skip
    """Turn SOURCE, a folder or a file of interactions, into a dataset folder.

    \b
    recbole   X.inter and X.item, tab separated with a typed header
    lc-rec    X.inter.json and X.item.json, as LC-Rec, LETTER and MiniOneRec have them
    csv       interactions and items as two tables with a header line (csv or tsv)
    parquet   the same
    folder    items.jsonl and sequences.jsonl

    Interactions are sorted by time; those of equal time stay in file order. Everything is kept
    but, with --unknown-items drop, interactions with items of no row: what else to leave out is
    said when the folder is run.
    """
    from tokbench.cli.progress import progress
    from tokbench.ingest.importing import import_data

    done = import_data(
        source, out, form=form, items=items, columns=_columns(columns),
        unknown_items=unknown_items, progress=progress(),
    )  # fmt: skip
    for line in _said_of(done, out):
        say(line)


@data_command.command("check", short_help="List every problem of a dataset.")
@click.argument("path")
@with_options(LAYOUT)
@SET
@PLUGIN
def check_command(
    path: str, form: FormatName, items: Path | None, unknown_items: UnknownItems,
    overrides: tuple[str, ...], plugins: tuple[Path, ...], **columns: str,
) -> int:  # fmt: skip
    """List every problem of PATH with file and line, not only the first.

    PATH is a dataset's folder or name, checked as a run would load it, or anything that
    `tokbench data import` reads. Ends with status 1 when there is a problem.
    """
    from tokbench.ingest.importing import find_problems, needs_import

    if needs_import(Path(path), form):
        found = find_problems(
            Path(path), form=form, items=items, columns=_columns(columns),
            unknown_items=unknown_items,
        )  # fmt: skip
    else:
        found = _problems_of(path, overrides, plugins)
    for problem in found:
        say(str(problem))
    say(f"{path}: {len(found) or 'no'} problem{'s' * (len(found) != 1)}", err=bool(found))
    return 1 if found else 0


@data_command.command("show", short_help="Show what an encoder will read.")
@click.argument("name")
@click.option("--items", type=click.IntRange(min=0), default=5, show_default=True,
              help="How many items to print.")  # fmt: skip
@SET
@PLUGIN
def show_command(
    name: str, items: int, overrides: tuple[str, ...], plugins: tuple[Path, ...]
) -> None:
    """Show the counts of dataset NAME, a name or a folder, and its first items as worded for the
    encoder.

    Of a folder with faults it shows what is sound, and says how much is not.
    """
    from tokbench.api import Runtime
    from tokbench.cli.progress import progress
    from tokbench.datasets.folder import Folder
    from tokbench.ingest.interactions import describe
    from tokbench.pipeline.resolve import find_dataset
    from tokbench.registry.isolated.isolated import isolated_registry

    source = find_dataset(name, isolated_registry(plugins), overrides)
    found: list[DatasetError] = []
    dataset = (source.read(found.append) if isinstance(source, Folder)
               else source.load(runtime=Runtime(progress=progress())))  # fmt: skip
    counts = describe(dataset)
    for line in _count_lines(source.label, counts, len(dataset.item_ids)):
        say(line)
    say(f"times: {'no, the order of the file' if dataset.times is None else 'yes'}")
    if found:
        say(f"incomplete: {len(found)} problem{'s' * (len(found) != 1)} left out here, and "
                   f"a run stops at the first: {found[0]}\n"
                   f"`tokbench data check {shlex.quote(name)}` lists them")  # fmt: skip
    rows = zip(dataset.item_ids, dataset.titles, dataset.texts, strict=True)
    for _, (item_id, title, text) in zip(range(items), rows, strict=False):
        say(f"\n{_printable(item_id)}  {_printable(title)}\n  {_printable(text)}")


@data_command.command("synth", short_help="Make a synthetic twin for load tests.")
@click.option("--like", type=click.Choice(SHAPES), required=True, help="Whose shape it has.")
@click.option("--scale", type=float, default=1.0, show_default=True,
              help="Times the users and items of the original.")  # fmt: skip
@click.option("--out", type=FOLDER, default=None,
              help="The folder to write; its name says synthetic "
                   "[default: synthetic-LIKE-xSCALE].")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Of everything that is chance.")  # fmt: skip
def synth_command(like: str, scale: float, out: Path | None, seed: int) -> None:
    """Make a synthetic twin with the shape of the paper's Table 1, for load tests.

    Which user took which item is chance: results on a twin measure time and memory, not quality.
    """
    from tokbench.cli.progress import progress
    from tokbench.ingest.synth import default_name, synthesize

    folder = Path(default_name(like, scale)) if out is None else out
    made = synthesize(like, folder, scale=scale, seed=seed, progress=progress())
    say(f"{folder}: synthetic, {made.users:,} users, {made.items:,} items, "
               f"{made.interactions:,} interactions, length {made.shortest} to {made.longest}, "
               f"mean {made.mean:g}")  # fmt: skip


def _columns(named: dict[str, str]) -> Columns:
    """Columns from options such as user_column."""
    from tokbench.ingest.formats.columns import Columns

    return Columns(**{option.removesuffix("_column"): name for option, name in named.items()})


def _said_of(done: Imported, out: Path) -> list[str]:
    """What was imported, and how to run it."""
    lines = _count_lines(f"{out} from {done.format}", done.statistics, done.catalogue)
    lines.append("order: " + ("of the file" if done.times == "none" else "by time"))
    lines += [f"columns of {file}: {said}" for file, said in done.columns.items()]
    if done.unread_fields:
        fields = ", ".join(
            f"{name} ({items:,} items)" for name, items in done.unread_fields.items()
        )
        lines.append(f"kept, but not in the text an encoder reads: {fields}; "
                     "--set dataset.template='... {NAME}' puts one in")  # fmt: skip
    found = (
        (done.duplicate_rows, "interactions that repeat another one (user, item, time), kept"),
        (
            done.unknown_items,
            "items that the items file does not describe, "
            + (
                f"dropped with {done.dropped_interactions:,} interactions"
                if done.dropped_interactions
                else "kept without text"
            ),
        ),
        (done.textless, "items without text"),
        (done.short_users, "users with too few items for leave-one-out"),
    )
    lines += [f"note: {number:,} {what}" for number, what in found if number]
    command = f"tokbench run --dataset {_quoted(out)} --tokenizer cost"
    if done.textless:
        command += " --set dataset.empty_text=drop"
    if done.short_users or done.textless:
        command += " --set dataset.short_users=drop"
    return [*lines, f"next: {command}"]


def _count_lines(label: str, counts: Statistics, items: int) -> list[str]:
    return [
        f"{label}: {counts.users:,} users, {items:,} items ({counts.items:,} in interactions), "
        f"{counts.interactions:,} interactions",
        f"length: min {counts.shortest}, mean {counts.mean:g}, median {counts.median:g}, "
        f"max {counts.longest}",
    ]


def _problems_of(
    name: str, overrides: tuple[str, ...], plugins: tuple[Path, ...]
) -> list[DatasetError]:
    from tokbench.api import Runtime
    from tokbench.datasets.folder import Folder
    from tokbench.errors import DatasetError
    from tokbench.pipeline.resolve import find_dataset
    from tokbench.registry.isolated.isolated import isolated_registry

    source = find_dataset(name, isolated_registry(plugins), overrides)
    if isinstance(source, Folder):
        return source.problems()
    try:
        source.load(runtime=Runtime())
    except DatasetError as error:
        return [error]
    return []


def _printable(text: str) -> str:
    """The text without what would steer the terminal: control characters become U+FFFD."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))

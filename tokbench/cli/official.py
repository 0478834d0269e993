"""`tokbench data prepare` and `recipes`: published datasets from their official files."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokbench.cli.screen import say

if TYPE_CHECKING:
    from tokbench.ingest.download import RawFile
    from tokbench.ingest.official.recipe import DataRecipe

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command("prepare", short_help="Make a published dataset from its official files.")
@click.argument("name")
@click.option("--raw", type=FOLDER, default=None,
              help="Where the official files lie [default: download them].")  # fmt: skip
@click.option("--out", type=FOLDER, default=None,
              help="The folder to write [default: NAME under TOKBENCH_DATA, or else under the "
                   "user's data folder].")  # fmt: skip
@click.option("--set", "changes", multiple=True, metavar="recipe.OPTION=VALUE",
              help="Change the recipe, see `tokbench data recipes NAME`. Repeatable.")  # fmt: skip
def prepare_command(
    name: str, raw: Path | None, out: Path | None, changes: tuple[str, ...]
) -> None:
    """Make the dataset NAME; `tokbench list datasets` says which there are.

    The counts are printed beside the published ones. The folder keeps its recipe in recipe.json.
    """
    from tokbench.datasets.prepared import data_roots
    from tokbench.ingest.official.official import official

    folder = data_roots()[0] / name if out is None else out
    _make(name, folder, raw, _recipe(official(name).recipe, changes))
    typed = name if out is None else _typed(name, out.resolve())
    say(f"{folder}: ready for `tokbench run --dataset {shlex.quote(typed)}`")


def make_ready(names: Sequence[str], *, yes: bool) -> None:
    """Prepare those of the names that are official datasets and not there yet.

    Says what it would download, from where and under which terms, and asks on a terminal; with
    `yes` it does not ask. Raises ConfigError where it may not, DatasetError where it cannot.
    """
    from tokbench.datasets.folder import find_folder
    from tokbench.datasets.prepared import data_roots
    from tokbench.errors import ConfigError
    from tokbench.ingest.official.official import DATASETS
    from tokbench.ingest.official.raw_files import find_raw

    for name in dict.fromkeys(names):
        if name not in DATASETS or find_folder(name, data_roots()):
            continue
        entry = DATASETS[name]
        source = entry.sources[entry.recipe.source]
        absent = [file for file in source.files if not find_raw(file, source, _downloads())]
        say(f"dataset {name} is not prepared: {entry.about}; terms: {entry.licence}", err=True)
        for file in absent:
            say(f"  {file.name} from {file.where}{_size(file)}", err=True)
        by_hand = [file for file in absent if not file.urls]
        if not by_hand and not yes:
            if not sys.stdin.isatty():
                raise ConfigError(
                    f"dataset {name} is not prepared (--yes prepares it, as does "
                    f"`tokbench data prepare {name}`)"
                )
            click.confirm("Download and prepare it now?", default=True, abort=True, err=True)
        _make(name, data_roots()[0] / name, None, entry.recipe)


def _make(name: str, folder: Path, raw: Path | None, recipe: DataRecipe) -> None:
    """Prepare a dataset and print its counts beside the published ones."""
    from tokbench.cli.data_tables import print_comparison
    from tokbench.cli.progress import progress
    from tokbench.ingest.official.official import official
    from tokbench.ingest.official.prepare import prepare

    made = prepare(
        name, out=folder, raw=raw, downloads=_downloads(), recipe=recipe, progress=progress()
    )
    print_comparison(made, official(name).published)


def _size(file: RawFile) -> str:
    """How much of a download it is, where its host says so."""
    from tokbench.ingest.download import size_of

    size = size_of(file)
    return "" if size is None else f" ({size / 1e6:,.1f} MB)"


def _typed(name: str, folder: Path) -> str:
    """What to type for a dataset prepared into `folder`: NAME:FOLDER where NAME is a registered
    dataset (it brings its own template), the folder's path where it is not."""
    from tokbench.registry.isolated.isolated import isolated_registry

    return f"{name}:{folder}" if name in isolated_registry().names("dataset") else str(folder)


@click.command("recipes", short_help="Compare the readings of a published dataset.")
@click.argument("name")
@click.option("--raw", type=FOLDER, default=None,
              help="Where the official files lie [default: download them].")  # fmt: skip
@click.option("--best", type=click.IntRange(min=1), default=10, show_default=True,
              help="How many to print.")  # fmt: skip
def recipes_command(name: str, raw: Path | None, best: int) -> None:
    """Try the plausible recipes for NAME on the files at hand: the nearest to print comes first.

    The paper does not give its filters in full. What `prepare` does is printed with the words to
    change it by.
    """
    from tokbench.cli.data_tables import print_candidates
    from tokbench.cli.progress import progress
    from tokbench.ingest.official.official import official
    from tokbench.ingest.official.prepare import recipes

    found = recipes(name, raw=raw, downloads=_downloads(), progress=progress())
    print_candidates(found[:best], official(name), total=len(found))


def _recipe(recipe: DataRecipe, changes: tuple[str, ...]) -> DataRecipe:
    """The recipe with `recipe.option=value` changes made."""
    from pydantic import ValidationError

    options: dict[str, object] = recipe.model_dump()
    for change in changes:
        target, equals, value = change.partition("=")
        option = target.removeprefix("recipe.")
        if not equals or option not in options:
            wrong = f"no option {option!r}" if equals else "write it as recipe.OPTION=VALUE"
            text = f"{change!r}: {wrong}; options: {', '.join(options)}"
            raise click.BadParameter(text, param_hint="--set")
        options[option] = value
    try:
        return type(recipe).model_validate(options)
    except ValidationError as error:
        said = [f"{'.'.join(map(str, item['loc'])) or 'recipe'}: {item['msg']}"
                + (f" (found {item['input']!r})" if item["loc"] else "")
                for item in error.errors()]  # fmt: skip
        raise click.BadParameter("; ".join(said), param_hint="--set") from error


def _downloads() -> Path:
    """Where downloaded files are kept."""
    from tokbench.pipeline.context import default_cache

    return default_cache() / "downloads"

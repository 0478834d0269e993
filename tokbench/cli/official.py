"""`tokbench data prepare` and `recipes`: published datasets from their official files."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokbench.cli.screen import say

if TYPE_CHECKING:
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
    """Make the dataset NAME: mind, office-s, office-l, office-5core, beauty, sports or toys.

    The counts are printed beside the published ones. The folder keeps its recipe in recipe.json.
    """
    from tokbench.cli.data_tables import print_comparison
    from tokbench.cli.progress import progress
    from tokbench.datasets.prepared import data_roots
    from tokbench.ingest.official.official import official
    from tokbench.ingest.official.prepare import prepare

    entry = official(name)
    folder = data_roots()[0] / name if out is None else out
    made = prepare(
        name, out=folder, raw=raw, downloads=_downloads(), recipe=_recipe(entry.recipe, changes),
        progress=progress(),
    )  # fmt: skip
    print_comparison(made, entry.published)
    typed = name if out is None else _typed(name, out.resolve())
    say(f"{folder}: ready for `tokbench run --dataset {shlex.quote(typed)}`")


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

"""The options that say which cells are meant: shared by `run`, `plan` and `report`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from tokbench.pipeline.cell import Cell
    from tokbench.pipeline.file_cells import FileCell
    from tokbench.registry.registry import Registry

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
CELL = [  # what a cell is, but its seeds
    click.option("-d", "--dataset", "datasets", multiple=True,
                 help="A name, or a folder with items.jsonl and sequences.jsonl. Repeatable."),
    click.option("-t", "--tokenizer", "tokenizers", multiple=True,
                 help="NAME or NAME:PRESET, see `tokbench list tokenizers`. Repeatable."),
    click.option("--codes", "codes", multiple=True, type=click.Path(path_type=Path),
                 metavar="FILE|FOLDER", help="A table of semantic IDs to run beside the "
                 "tokenizers, or a folder: every table in it. Repeatable."),
    click.option("-g", "--generator", "generators", multiple=True,
                 help="NAME or NAME:PRESET. Repeatable. [default: tiger; under --profile quick "
                      "rq-transformer]"),
    click.option("-e", "--encoder", default="sentence-transformers", show_default=True,
                 help="Text encoder; sentence-transformers loads the paper's sentence-t5-base."),
    click.option("--profile", type=click.Choice(["paper", "quick", "toy"]), default="paper",
                 show_default=True, help="The sizes to run at; boards never mix profiles."),
    click.option("--protocol", default="leave-one-out", show_default=True,
                 type=click.Choice(["leave-one-out", "temporal", "temporal-warm", "temporal-all",
                                    "temporal-all-warm"]),
                 help="How test items are held out: each user's last one, or all that come after "
                      "one instant; of these the first of each user or all, new items too or warm "
                      "ones (seen in training) only."),
    click.option("--collision-policy", "collision_policies", multiple=True,
                 default=("nearest-free",), show_default=True,
                 help="What becomes of items that share a code tuple. Repeatable."),
    click.option("--beam-width", type=click.IntRange(1, 1000), default=100, show_default=True,
                 help="Beams per user; wider than the largest cutoff, 40."),
    click.option("--precision", type=click.Choice(["auto", "float32", "bfloat16"]), default="auto",
                 show_default=True,
                 help="Of the generator's products; auto is bfloat16 on a GPU, where rows of the "
                      "two never share a board, and float32 on a CPU."),
    click.option("--set", "overrides", multiple=True, metavar="SCOPE.OPTION=VALUE",
                 help="Override an option, e.g. tokenizer.temperature=0.5. Repeatable."),
    click.option("--tuned", "tuned", multiple=True,
                 type=click.Path(exists=True, dir_okay=False),
                 help="Use the best settings of a file of `tokbench tune`; the record and the "
                      "board say what they took. Repeatable."),
    click.option("--plugin", "plugins", multiple=True,
                 type=click.Path(exists=True, dir_okay=False, path_type=Path),
                 help="Load components from one Python file; such rows are marked. Repeatable."),
]  # fmt: skip
REQUEST = [
    *CELL,
    click.option("-s", "--seed", "seeds", multiple=True, type=click.IntRange(min=0),
                 help="Seed of tokenizer and generator alike. Repeatable. [default: 0]"),
    click.option("--seeds", "seed_count", type=click.IntRange(min=1), default=None, metavar="N",
                 help="Short for --seed 0 to --seed N-1."),
    click.option("--tokenizer-seed", "tokenizer_seeds", multiple=True,
                 type=click.IntRange(min=0),
                 help="Seed of the tokenizer alone, crossed with those of the generator: the board "
                      "then shows how much each axis varies. Repeatable."),
    click.option("--generator-seed", "generator_seeds", multiple=True,
                 type=click.IntRange(min=0), help="Seed of the generator alone. Repeatable."),
    click.option("--baselines/--no-baselines", default=True, show_default=True,
                 help="Also run what a tokenizer has to beat: popularity, bigram, item-item, "
                      "content-neighbours and sasrec, over item ids."),
]  # fmt: skip
FIELDS = ("datasets", "tokenizers", "generators", "encoder", "tokenizer_seeds", "generator_seeds",
          "profile", "protocol", "collision_policies", "beam_width", "precision", "baselines",
          "overrides", "tuned")  # fmt: skip


def with_options(options: Sequence[Decorator]) -> Decorator:
    """A decorator that adds options to a command, in their order."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def typed_options() -> set[str]:
    """Names of the parameters that the user typed, rather than left at their default."""
    context = click.get_current_context()
    return {
        name
        for name in context.params
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def request_fields(options: dict[str, Any], file: Path | None) -> dict[str, Any]:
    """Take the fields of a request out of a command's options; beside a file only typed ones."""
    typed = typed_options() if file else set(options)
    fields = {name: options.pop(name) for name in FIELDS}
    fields = {name: value for name, value in fields.items() if name in typed}
    named, count, codes = (options.pop(name) for name in ("seeds", "seed_count", "codes"))
    if typed & {"seeds", "seed_count"}:
        fields["seeds"] = _seeds(named, count)
    if codes:
        from tokbench.ids.formats import tables_in

        tables = tuple(f"table:{table}" for path in codes for table in tables_in(path))
        fields["tokenizers"] = (*fields.get("tokenizers", ()), *tables)
    return fields


def _seeds(named: tuple[int, ...], count: int | None) -> tuple[int, ...]:
    """Seeds named one by one, or counted, or 0."""
    if named and count is not None:
        raise click.UsageError("--seeds N counts from 0 and --seed names seeds: give one of them")
    return named or tuple(range(count or 1))


def cells_of(
    file: Path | None, fields: dict[str, Any], registry: Registry, device: str
) -> list[Cell]:
    """The cells of a grid file, or of the options alone; each once."""
    from tokbench.pipeline.resolve import make_request, resolve

    if file is None:
        if not fields["datasets"]:
            raise click.UsageError("name a dataset with --dataset, or give a grid file")
        return resolve(make_request(**fields), registry, device)
    cells = file_cells_of(file, fields, registry, device)
    return list({one.cell.spec.run_id: one.cell for one in cells}.values())


def file_cells_of(
    file: Path, fields: dict[str, Any], registry: Registry, device: str = "cpu"
) -> list[FileCell]:
    """The cells of a grid file with the points they stand for."""
    from tokbench.pipeline.file_cells import file_cells
    from tokbench.schema.grid_file import read_grid_file

    return file_cells(file, read_grid_file(file), fields, registry, device)

"""`tokbench compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokbench.cli.report import FORMAT, show
from tokbench.cli.screen import say, skipped

if TYPE_CHECKING:
    from tokbench.report.compare import Comparison
    from tokbench.report.tables import Table

CUTOFFS = (5, 10, 20, 40)
FIGURES = [*(f"{metric}@{k}" for metric in ("recall", "ndcg") for k in CUTOFFS), "bits"]


@click.command("compare", short_help="Say whether two rows are significantly different.")
@click.argument("a")
@click.argument("b")
@click.option("-d", "--dataset", default=None,
              help="The dataset whose board has the rows. [default: every one that has both, and "
              "the mean over them]")  # fmt: skip
@click.option("--board", default="",
              help="A part of the board's title, where several boards have both rows.")  # fmt: skip
@click.option("--figure", type=click.Choice(FIGURES), default="recall@10", show_default=True,
              help="What to compare.")  # fmt: skip
@click.option("--results", type=click.Path(file_okay=False, path_type=Path),
              default=Path("results"), show_default=True,
              help="Where the records are.")  # fmt: skip
@FORMAT
def compare_command(
    a: str, b: str, dataset: str | None, board: str, figure: str, results: Path, form: str
) -> None:
    """Compare rows A and B on the users they share: difference, 95 % interval, p, hits; the same
    in bits per item, where both have them; and the difference that would have been found.

    With --dataset in a sentence; without it on every dataset, in a table: of tokenizers A and B the
    rows under one collision policy and generator, and their mean over datasets.

    A row is named as the board prints it: the tokenizer, or tokenizer/policy/generator; a
    baseline also by its generator, such as item-item. Seeds are averaged per user. Interval and p
    cover users and training runs; where no row like A, or none like B, was run more than once, they
    cover users only and nothing is claimed.
    """
    from tokbench.report.result_set import ResultSet

    read = ResultSet.read(results, skip=skipped)
    if dataset is None:
        from tokbench.report.compare_datasets import compare_datasets, tables

        show(tables(compare_datasets(read, a, b, board=board, figure=figure)), form)
        return
    from tokbench.report.compare import compare

    found = compare(read, a, b, dataset=dataset, board=board, figure=figure)
    if form == "terminal":
        say(str(found))
    else:
        show([_table(found)], form)


def _table(found: Comparison) -> Table:
    """The sentence's figures as a table of one row."""
    from tokbench.report.tables import Column, Table

    difference = found.difference
    columns = (
        Column("users", "count"), Column(found.a, "figure"), Column(found.b, "figure"),
        Column("difference", "difference"), Column("95 %", "interval"), Column("p", "figure"),
        Column("remark"),
    )  # fmt: skip
    row = (
        found.users, *found.means, difference.mean, difference.interval, difference.p,
        f"{found.covers}. {found.verdict}",
    )  # fmt: skip
    return Table(f"{found.board} · {found.figure}", columns, (row,))

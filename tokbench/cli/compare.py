"""`tokbench compare`."""

from __future__ import annotations

from pathlib import Path

import click

CUTOFFS = (5, 10, 20, 40)
FIGURES = [f"{metric}@{k}" for metric in ("recall", "ndcg") for k in CUTOFFS]


@click.command("compare", short_help="Say whether two rows can be told apart.")
@click.argument("a")
@click.argument("b")
@click.option("-d", "--dataset", required=True, help="The dataset whose board has the rows.")
@click.option("--board", default="",
              help="A part of the board's title, where several boards have both rows.")  # fmt: skip
@click.option("--figure", type=click.Choice(FIGURES), default="recall@10", show_default=True,
              help="What to compare.")  # fmt: skip
@click.option("--results", type=click.Path(file_okay=False, path_type=Path),
              default=Path("results"), show_default=True,
              help="Where the records are.")  # fmt: skip
def compare_command(a: str, b: str, dataset: str, board: str, figure: str, results: Path) -> None:
    """Compare rows A and B on the users they share: difference, 95 % interval, p, hits.

    A row is named as the board prints it: the tokenizer, or tokenizer/policy/generator; a
    baseline also by its generator, such as item-item. Seeds are averaged per user. Interval and p
    cover users and, where any row of the board was run more than once, training runs.
    """
    from tokbench.record import read_records
    from tokbench.report.compare import compare

    found = compare(read_records(results), a, b, dataset=dataset, board=board, figure=figure)
    click.echo(str(found))

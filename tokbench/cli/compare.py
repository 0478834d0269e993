"""`tokbench compare`."""

from __future__ import annotations

from pathlib import Path

import click

from tokbench.cli.screen import say, skipped

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
def compare_command(
    a: str, b: str, dataset: str | None, board: str, figure: str, results: Path
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
        from tokbench.cli.report import show
        from tokbench.report.compare_datasets import compare_datasets, tables

        show(tables(compare_datasets(read, a, b, board=board, figure=figure)))
        return
    from tokbench.report.compare import compare

    say(str(compare(read, a, b, dataset=dataset, board=board, figure=figure)))

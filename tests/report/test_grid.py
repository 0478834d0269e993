"""A table file's points in the paper's layout, beside the printed figures where they belong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.report.points import claim, made_points, panel
from tokbench.report.grid import paper_table, table, table_notes, values_table
from tokbench.report.grid_points import GridPoints
from tokbench.report.tables import Table, markdown


@pytest.fixture
def mind() -> GridPoints:
    """Made-up users of MIND: 0.3 for rqvae, 0.36 for cost, random codes not run."""
    outcomes: dict[tuple[Any, ...], Any] = {("random",): "no record", ("rqvae",): np.full(10, 0.3),
                ("cost",): np.full(10, 0.36)}  # fmt: skip
    source = {"source": {"paper": "P", "place": "Table 2"}}
    grid = made_points(source, outcomes, bigram=np.full(10, 0.25))
    spec = grid.spec
    named = {
        "dataset": spec.dataset.model_copy(update={"name": "mind", "label": "mind"}),
        "generator": spec.generator.model_copy(update={"name": "tiger"}),
    }
    return replace(grid, spec=spec.model_copy(update=named))


def paper_texts(grid: GridPoints) -> tuple[list[str], list[list[str]]]:
    """Heads and rows as printed."""
    columns, rows = paper_table(grid)
    return [column.head for column in columns], Table("", columns, rows).texts()


def test_ours_stands_beside_the_printed_figures(mind: GridPoints) -> None:
    heads, rows = paper_texts(mind)
    assert heads == ["tokenizer", "metric", "@5", "paper", "@10", "paper", "@20", "paper", "@40",
                     "paper"]  # fmt: skip
    assert rows[0][:6] == ["random", "NDCG", "gap", "0.0201", "gap", "0.0265"]
    assert rows[3] == ["", "Recall", "0.3000", "0.0560", "0.3000", "0.0905", "0.3000", "0.1384",
                       "0.3000", "0.2031"]  # fmt: skip
    assert rows[-1] == ["", "Recall", "0.2500", "", "0.2500", "", "0.2500", "", "0.2500", ""]


def test_the_improvement_is_that_of_cost_over_rqvae_for_both(mind: GridPoints) -> None:
    _, rows = paper_texts(mind)
    (ndcg,) = [row for row in rows if row[0].startswith("Impr.")]
    assert ndcg[2] == "+20.0 %"
    assert ndcg[3] == "+43.8 %", "0.0522 / 0.0363, the paper's 43.76 % but for its rounding"


def test_what_keeps_the_two_apart_is_said(mind: GridPoints) -> None:
    notes = "\n".join(table_notes(mind))
    assert "10 users, theirs 29207" in notes
    assert "gap: random: no record" in notes


def test_another_dataset_stands_alone() -> None:
    here = made_points({}, {("cost",): np.full(4, 0.5)})
    heads, rows = paper_texts(here)
    assert "paper" not in heads
    assert rows == [["cost", "NDCG", *["0.5000"] * 4], ["", "Recall", *["0.5000"] * 4]]
    assert "prints no figures" in "\n".join(table_notes(here))


def test_the_values_of_a_figure_and_its_gaps() -> None:
    outcomes: dict[tuple[Any, ...], Any] = {(2,): np.full(5, 0.5), (4,): "collapsed"}
    columns, rows = values_table(made_points({"panels": [panel()]}, outcomes))
    assert Table("", columns, rows).texts() == [
        ["K", "K = 2", "ndcg@10", "1", "0.5000", "[0.1704, 0.8296]", ""],
        ["K", "K = 4", "ndcg@10", "0", "", "", "collapsed"],
        ["K", "K = 8", "ndcg@10", "0", "", "", "no record"],
    ]


def test_the_note_has_the_claims() -> None:
    content = {"panels": [panel()], "claims": [claim()]}
    printed = markdown([table(made_points(content, {(2,): np.full(5, 0.5)}))])
    assert printed.startswith("### T: Figure 0 of P · tiny\n")
    assert "cannot tell: it rises\n    K = 2 → K = 4: not measured" in printed

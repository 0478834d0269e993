"""LaTeX: what is bold is the best, and the Impr. row is the paper's arithmetic."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tokbench.report.outcomes import FIGURES
from tokbench.report.paper_layout import paper_layout
from tokbench.report.result_set import Board, Title
from tokbench.report.rows import Row
from tokbench.report.tables import escaped
from tokbench.report.tables import latex as latex_of

TITLE = Title("mind", "leave-one-out", "paper", "sentence-transformers", 50, "0" * 64)
PAPER = {  # Table 2 of CoST: NDCG and Recall @5, 10, 20, 40
    "rqvae": [0.0363, 0.0474, 0.0594, 0.0727, 0.0560, 0.0905, 0.1384, 0.2031],
    "cost": [0.0522, 0.0663, 0.0817, 0.0975, 0.0803, 0.1241, 0.1855, 0.2625],
    "cost:with-reconstruction":
        [0.0444, 0.0574, 0.0710, 0.0865, 0.0677, 0.1081, 0.1621, 0.2376],
}  # fmt: skip


def row(tokenizer: str, figures: list[float], policy: str = "nearest-free") -> Row:
    names = [f"{metric}@{k}" for metric in ("ndcg", "recall") for k in (5, 10, 20, 40)]
    values = dict(zip(names, figures, strict=True))
    assert set(values) == set(FIGURES)
    bounds = {name: (value, value) for name, value in values.items()}
    return Row(tokenizer, policy, "tiger", 1, 29207, values, bounds)


def board(*rows: Row) -> Board:
    return Board(TITLE, rows)


def latex(boards: list[Board]) -> str:
    return latex_of([paper_layout(one) for one in boards])


def body(text: str) -> dict[tuple[str, str], list[str]]:
    """(name, metric) -> cells; a blank name continues the one above."""
    found, name = {}, ""
    for line in text.splitlines():
        if line.endswith(r"\\") and "metric" not in line:
            first, metric, *cells = line.removesuffix(r" \\").split(" & ")
            name = first or name
            found[name, metric] = cells
    return found


def test_the_papers_table_comes_out_with_its_own_improvements() -> None:
    lines = body(latex([board(*(row(*item) for item in PAPER.items()))]))
    assert lines["cost", "NDCG"] == [rf"\textbf{{{x:.4f}}}" for x in PAPER["cost"][:4]]
    second = PAPER["cost:with-reconstruction"][4:]
    assert lines["cost:with-reconstruction", "Recall"] == [
        rf"\underline{{{x:.4f}}}" for x in second
    ]
    assert lines["rqvae", "Recall"] == [f"{x:.4f}" for x in PAPER["rqvae"][4:]]
    ours = [float(cell.removesuffix(r"\%")) for cell in lines["Impr.", "Recall"]]
    assert ours == pytest.approx([43.34, 37.21, 34.05, 29.24], abs=0.1)  # printed from more digits
    ours = [float(cell.removesuffix(r"\%")) for cell in lines["Impr.", "NDCG"]]
    assert ours == pytest.approx([43.76, 39.90, 37.52, 34.10], abs=0.1)


def test_equal_print_has_equal_weight_and_names_say_what_differs() -> None:
    first = row("cost", PAPER["cost"])
    same = replace(first, policy="none", values={k: v + 1e-6 for k, v in first.values.items()})
    lines = body(latex([board(first, same, row("rqvae", PAPER["rqvae"], "none"))]))
    assert lines["cost (none, tiger)", "NDCG"] == lines["cost (nearest-free, tiger)", "NDCG"]
    assert "textbf" in lines["cost (none, tiger)", "NDCG"][0]
    assert "underline" in lines["rqvae (none, tiger)", "NDCG"][0]
    assert ("Impr. (none, tiger)", "NDCG") in lines
    assert ("Impr. (nearest-free, tiger)", "NDCG") not in lines


def test_nothing_is_improved_on_nothing() -> None:
    lines = body(latex([board(row("cost", PAPER["cost"]), row("rqvae", [0.0] * 8))]))
    assert lines["Impr.", "Recall"] == ["--"] * 4


def test_environments_close_and_columns_agree() -> None:
    text = latex([board(row("cost", PAPER["cost"]))])
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    assert {line.count("&") for line in text.splitlines() if line.endswith(r"\\")} == {5}
    assert "textbf" not in text, "one row is not the best of anything"


def test_special_characters_are_escaped() -> None:
    assert escaped("a_b & 50 % {x}") == r"a\_b \& 50 \% \{x\}"
    assert escaped("\\") == r"\textbackslash{}"

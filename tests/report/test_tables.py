"""The one renderer: every kind of column in every form, and no word is taken for markup."""

from __future__ import annotations

import csv
import io
import json
from io import StringIO

import pytest
from rich.console import Console

from tokbench.report import tables
from tokbench.report.tables import Column, Kind, Latex, Table, fields, written

TABLE = Table(
    "t | x",
    (Column("row"), Column("n", "count"), Column("R@10", "figure", "recall@10"),
     Column("95 %", "interval"), Column("change", "difference"), Column("dup.", "percent"),
     Column("curve", "curve")),
    (("a [k=2]", 3, 0.12344, (0.1, 0.2), -0.5, 0.125, (0.1, 0.2)),
     ("b_<i>", 1234, 1234.56, None, None, None, ())),
    "a note & more",
    grouped=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "kind", "text"),
    [
        (None, "figure", ""), ("x", "figure", "x"), (3, "count", "3"), (0.0, "figure", "0.0000"),
        (0.00004, "figure", "<0.0001"), (0.0001, "figure", "0.0001"),
        (-0.00004, "figure", "-0.0000"), (0.12344, "figure", "0.1234"),
        (1234.56, "figure", "1235"), (12.6, "count", "13"), ((0.1, -0.2), "interval",
        "[0.1000, -0.2000]"), (0.5, "difference", "+0.5000"), (0.125, "percent", "12.5 %"),
    ],
)  # fmt: skip
def test_entries_are_for_people(entry: tables.Entry, kind: Kind, text: str) -> None:
    assert written(entry, kind) == text


def test_an_interval_is_two_fields_in_every_row() -> None:
    rows = list(fields(TABLE))
    assert [*rows[0]] == [*rows[1]] == [
        "row", "n", "recall@10", "95 %/low", "95 %/high", "change", "dup.", "curve",
    ]  # fmt: skip
    assert rows[1]["95 %/low"] is None


def test_csv_and_json_keep_every_digit() -> None:
    lines = list(csv.DictReader(io.StringIO(tables.as_csv([TABLE, TABLE]))))
    (loaded,) = json.loads(tables.as_json([TABLE]))
    assert len(lines) == 4
    assert lines[0]["table"] == loaded["table"] == TABLE.title
    assert float(lines[0]["recall@10"]) == loaded["rows"][0]["recall@10"] == 0.12344
    assert loaded["rows"][0]["curve"] == [0.1, 0.2] and lines[0]["curve"] == "0.1 0.2"
    assert lines[1]["95 %/low"] == ""
    assert tables.as_csv([]) == ""


def test_markdown_has_a_heading_the_table_and_the_note() -> None:
    lines = tables.markdown([TABLE]).splitlines()
    assert lines[0] == "### t | x"
    assert lines[3].count(" --- |") == len(TABLE.columns)
    assert lines[4].startswith("| a [k=2] | 3 | 0.1234 | [0.1000, 0.2000] | -0.5000 | 12.5 % | ")
    assert lines[-1] == TABLE.note
    assert "###" not in tables.markdown([Table("", TABLE.columns, TABLE.rows)])


def test_latex_is_escaped_but_for_what_is_latex() -> None:
    marked = Table("t", (Column("a"), Column("b", "figure")), (("x_y", Latex(r"\textbf{1}")),))
    text = tables.latex([TABLE, marked])
    assert r"b\_<i>" in text and "a note" not in text
    assert r"x\_y & \textbf{1} \\" in text
    assert text.count(r"\begin{tabular}{lrrlrrl}") == 1
    assert text.count(r"\begin{") == text.count(r"\end{") == 4


def test_html_escapes_every_word_and_says_how_to_sort() -> None:
    text = tables.html([TABLE], "a table")
    assert "b_&lt;i&gt;" in text and "<i>" not in text and "a note &amp; more" in text
    assert '<td class="text" data-sort="0.1">[0.1000, 0.2000]</td>' in text
    assert '<tr class="begins"><th scope="row">b_' in text


def test_the_terminal_folds_no_figure_and_reads_no_markup() -> None:
    out = StringIO()
    Console(width=60, file=out).print(tables.terminal(TABLE))
    assert "[0.1000, 0.2000]" in out.getvalue()
    assert "[k=2]" in "".join(out.getvalue().split("│"))

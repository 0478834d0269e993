"""The board on a terminal: whole at any width, the important columns first, nothing lost unsaid."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise
from string import ascii_letters

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.report.test_paper_layout import PAPER, TITLE, row
from tokbench.report.narrow_board import method_names, ranges, short, tables
from tokbench.report.result_set import Board, ResultSet
from tokbench.report.tables import fitted, terminal


def rows(*names: tuple[str, str, str]) -> tuple[object, ...]:
    return tuple(
        replace(row(tokenizer, PAPER["cost"], policy), generator=generator)
        for tokenizer, policy, generator in names
    )


def test_methods_are_named_in_a_line() -> None:
    found = rows(
        ("item-id", "none", "sasrec"),
        ("cost", "nearest-free", "tiger"),
        ("cost", "nearest-free", "tiger [d_model=128, d_ff=512, epochs=30]"),
        ("cost", "none", "tiger [epochs=10]"),
        ("table:letter.json@7fe34f [missing=random]", "nearest-free", "rq-transformer"),
    )
    assert method_names(found) == [  # type: ignore[arg-type]
        "sasrec", "cost · tiger", "cost · tiger [3 options]", "cost · tiger [epochs=10] · none",
        "letter.json · rq-transformer",
    ]  # fmt: skip


def test_one_generator_is_not_repeated_and_equal_names_are_told_apart() -> None:
    found = rows(("cost", "none", "tiger"), ("rqvae", "none", "tiger"))
    assert method_names(found) == ["cost", "rqvae"]  # type: ignore[arg-type]
    found = rows(("table:a.json@111111", "none", "tiger"), ("table:a.json@222222", "none", "tiger"))
    assert method_names(found) == ["table:a.json@111111", "table:a.json@222222"]  # type: ignore[arg-type]


@given(st.sets(st.sampled_from(ascii_letters[:26])))
def test_ranges_say_the_same_letters(letters: set[str]) -> None:
    group = "".join(sorted(letters))
    written = ranges(group)
    read, n = "", 0
    while n < len(written):
        if written[n + 1 : n + 2] == "-":
            read += "".join(map(chr, range(ord(written[n]), ord(written[n + 2]) + 1)))
            n += 3
        else:
            read, n = read + written[n], n + 1
    assert read == group
    assert len(written) <= len(group)
    assert all(b != a for a, b in pairwise(written))


def board() -> Board:
    first = replace(row("cost", PAPER["cost"]), group="abcde", remark="below item-item")
    other = replace(row("rqvae", PAPER["rqvae"]), group="b", remark="earlier code: cost#1")
    return Board(TITLE, (first, other))


@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_board_fits_the_terminal_and_is_never_cropped(width: int) -> None:
    (table,) = tables(ResultSet([], (board(),)))
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(terminal(table, width))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for needed in ("cost", "0.1241", "[0.1241, 0.1241]", "a-e", "rqvae", "0.0905"):
        assert needed in text
    shown = fitted(table, width).columns
    assert [column.head for column in shown[:4]] == ["method", "R@10", "95 %", "group"]
    assert len(shown) < len(table.columns) if width == 80 else len(shown) > 6


def test_remarks_of_some_rows_are_said_below() -> None:
    (table,) = tables(ResultSet([], (board(),)))
    assert "earlier code: rqvae." in table.note
    assert "below" not in table.note
    assert "--wide" in table.note


def test_short_leaves_other_labels_alone() -> None:
    assert short("cost:with-reconstruction") == "cost:with-reconstruction"
    assert short("tiger [epochs=10]") == "tiger [epochs=10]"

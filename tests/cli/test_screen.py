"""Output: no text of a stranger's steers the terminal, and no error ends in a traceback."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tokbench.cli import main
from tokbench.cli.screen import say, screen
from tokbench.report.tables import Column, Table, as_csv, markdown

EVIL = "a\x1b[2J\x9b31mb\u202ec"


def test_control_characters_are_replaced_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    say(EVIL)
    say(EVIL, err=True)
    screen().print(EVIL, markup=False)
    screen(stderr=True).print(EVIL)
    found = capsys.readouterr()
    for text in (found.out, found.err):
        assert text.count("\ufffd") == 6
        assert not re.search(r"[\x1b\x9b\u202e]", text)


def test_commands_print_through_the_filter_only() -> None:
    for path in Path("tokbench/cli").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name != "screen.py":
            assert "click.echo" not in text and "Console(" not in text, path
        assert not re.search(r"(?<![.\w])print\(", text), path


def test_tables_hold_neither_html_nor_formulas() -> None:
    table = Table("<script>", (Column("a"), Column("b", "figure")),
                  (("<img src=x>|\n=", 0.00001), ("=1+1", 2.0), ("a < b", 1.0)))  # fmt: skip
    text = markdown([table])
    assert "<script" not in text and "<img" not in text
    assert "a < b" in text and "<0.0001" in text
    rows = as_csv([table]).splitlines()
    assert any("'=1+1" in row for row in rows)


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "--set", "tokenizer.levels=" + "[" * 5000],
        ["plan", "--dataset", "x" * 300, "--tokenizer", "random"],
        ["plan", "--dataset", "toy", "--tokenizer", "x" * 5000],
        ["verify", "/dev/null/x"],
        ["ids", "export", "x" * 300],
        ["report", "/proc/self/mem"],
        ["cache", "list", "--cache", "/proc/self/mem/x"],
    ],
    ids=lambda words: words[0],
)
def test_strange_words_give_one_line_and_a_status(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(words)
    found = capsys.readouterr()
    assert "Traceback" not in found.err
    assert status != 0 or words[0] == "cache"


def test_any_exception_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*given: object) -> None:
        raise KeyError(EVIL + "x" * 10**6)

    monkeypatch.setattr("tokbench.cli.show.entries_called", fail)
    assert main(["show", "cost"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: KeyError: ")
    assert "--debug shows where it comes from" in err
    assert len(err) < 3000
    assert len(err.strip().splitlines()) == 1
    assert "\x1b" not in err
    with pytest.raises(KeyError):
        main(["show", "cost", "--debug"])

"""Every `tokbench ...` that a page prints is a command line that parses."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from tokbench.cli import cli

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"),
     *ROOT.glob("plugins/**/README.md"), *ROOT.glob("benchmarks/**/*.md")]
)  # fmt: skip
# A line of an indented block up to its remark, or a whole inline code span.
LINE = re.compile(
    r"^    ((?:\w+=\S+ )*tokbench .*?)(?:\s{2,}#.*|\s+# .*)?$|`(tokbench [^`]+)`", re.M
)
PLACEHOLDER = re.compile(r"^[A-Z][A-Z_.|]*$")  # NAME, FILE.json
LEFT_OUT = re.compile(r"^(?:\.\.\.|…|\$\w+)$")  # whatever may stand here


def commands(page: Path) -> dict[str, bool]:
    """Each command of a page, and whether it is a whole line: a span may only name a command.

    Lines that a backslash continues are one; several joined by && are several.
    """
    text = re.sub(r" *\\\n\s+", " ", page.read_text(encoding="utf-8"))
    return {
        part.strip(): bool(line)
        for line, span in LINE.findall(text)
        for part in (line or span).split("&&")
        if "tokbench" in part and "_COMPLETE=" not in part
    }


def arguments(line: str) -> list[str]:
    """What follows the program's name, without redirections."""
    words = shlex.split(line.replace("\n", " "))
    words = words[next(n for n, word in enumerate(words) if word == "tokbench") + 1 :]
    for n, word in enumerate(words):
        if word in (">", "|", "2>", "<", ";"):
            return words[:n]
    return words


def parse(words: list[str]) -> None:
    """Resolve the command and parse its options; nothing runs.

    Raises:
        click.UsageError: an unknown command or option, or a value that its type refuses.
    """
    command: click.Command = cli
    context = command.make_context("tokbench", list(words))
    while isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest and command.invoke_without_command:
            return
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
        context = command.make_context(name, rest, parent=context)


def problem(line: str, *, whole: bool) -> str | None:
    """Why a line does not parse; a file that is not here, or a NAME to fill in, is no reason."""
    words = arguments(line)
    left_out = any(LEFT_OUT.match(word) for word in words)
    try:
        parse([word for word in words if not LEFT_OUT.match(word)])
    except click.exceptions.Exit:  # --help
        return None
    except click.MissingParameter as error:
        return None if left_out or not whole else error.format_message()
    except click.UsageError as error:
        said = error.format_message()
        named = any(PLACEHOLDER.match(word) and word in said for word in words)
        absent = isinstance(error, click.BadParameter) and "does not exist" in said
        return None if named or absent else said
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    inside = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_pages_print_commands() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_parses(page: Path) -> None:
    found = {line: problem(line, whole=whole) for line, whole in commands(page).items()}
    assert not {line: said for line, said in found.items() if said}


@pytest.mark.parametrize(
    "line",
    ["tokbench nothing", "tokbench run --nothing 1", "tokbench run --profile huge",
     "tokbench report nothing", "tokbench compare", "tokbench ids audit FILE --seed"],
)  # fmt: skip
def test_a_command_that_does_not_parse_is_found(line: str) -> None:
    assert problem(line, whole=True)

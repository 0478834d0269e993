"""Copy two tables of results/BOARD.md into the README: `make board` runs this."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHOWN = ("### leave-one-out", "### office-5core")  # all datasets, then the fullest board
START, END = "<!-- board -->", "<!-- /board -->"


def shown(board: str, start: str) -> Iterator[str]:
    """A heading and the first table under it."""
    lines = board.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith(start))
    last = next(n for n, line in enumerate(lines) if n > first and line.startswith("|"))
    while last < len(lines) and lines[last].startswith("|"):
        last += 1
    yield from lines[first:last]


def main() -> None:
    """Titles and figures of those boards, between the README's two marks."""
    board = (ROOT / "results/BOARD.md").read_text(encoding="utf-8")
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    head, _, rest = text.partition(START)
    _, _, tail = rest.partition(END)
    tables = "\n\n".join("\n".join(shown(board, start)) for start in SHOWN)
    readme.write_text(f"{head}{START}\n{tables}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()

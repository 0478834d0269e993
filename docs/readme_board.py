"""Copy the office-5core table of results/BOARD.md into the README: `make board` runs this."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
SHOWN = "### office-5core"
START, END = "<!-- board -->", "<!-- /board -->"


def main() -> None:
    """Title and figures of that board, between the README's two marks."""
    board = (ROOT / "results/BOARD.md").read_text(encoding="utf-8")
    lines = board.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith(SHOWN))
    last = next(n for n, line in enumerate(lines) if n > first and line.startswith("|"))
    while last < len(lines) and lines[last].startswith("|"):
        last += 1
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    head, _, rest = text.partition(START)
    _, _, tail = rest.partition(END)
    shown = "\n".join(lines[first:last])
    readme.write_text(f"{head}{START}\n{shown}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()

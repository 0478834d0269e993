"""Copy ten rows of results/BOARD.md into the README: `make board` runs this."""

from __future__ import annotations

from pathlib import Path

from tokbench.report.narrow_board import ranges, short

ROOT = Path(__file__).parent.parent
START, END = "<!-- board -->", "<!-- /board -->"
BOARD = "### office-5core · leave-one-out · profile quick"  # the fullest one
BASELINES, TOKENIZERS = 4, 5
RULE = (
    "office-5core: 4,905 users, 2,420 items. Best row of each method; the best "
    f"{BASELINES} baselines over item ids, the best {TOKENIZERS} tokenizers, and random codes."
)


def board_rows(board: str) -> list[dict[str, str]]:
    """The rows of the first table under BOARD, best Recall@10 first, by column name."""
    lines = board.split(BOARD)[1].splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("|"))
    table: list[list[str]] = []
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    head, _, *rows = table
    return [dict(zip(head, row, strict=True)) for row in rows]


def ten_rows(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Each method once, at its best: a baseline, a tokenizer, or random codes."""
    best: dict[str, dict[str, str]] = {}
    for row in rows:
        if "diagnostic" not in row["remark"]:
            name = row["generator"] if row["tokenizer"] == "item-id" else row["tokenizer"]
            best.setdefault(name.split(":")[0].split(" ")[0], row)
    random = best.pop("random")
    baselines = [row for row in best.values() if row["tokenizer"] == "item-id"][:BASELINES]
    tokenizers = [row for row in best.values() if row["tokenizer"] != "item-id"][:TOKENIZERS]
    kept = [*baselines, *tokenizers, random]
    return [row for row in rows if row in kept]


def shown(board: str) -> str:
    """The table and the rule it was made by, as markdown."""
    lines = ["| method | generator | R@10 | 95 % interval | N@10 | runs | group |",
             "| --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for row in ten_rows(board_rows(board)):
        ids = row["tokenizer"] == "item-id"
        method = row["generator"] if ids else row["tokenizer"]
        cells = [short(method), "" if ids else row["generator"], row["R@10"], row["R@10, 95 %"],
                 row["N@10"], row["seeds"], ranges(row["group"])]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", RULE])


def main() -> None:
    """Write the ten rows between the README's two marks."""
    board = (ROOT / "results/BOARD.md").read_text(encoding="utf-8")
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    head, _, rest = text.partition(START)
    _, _, tail = rest.partition(END)
    readme.write_text(f"{head}{START}\n{shown(board)}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()

"""The board for a terminal: one line a method, the columns that fit, the important ones first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

from tokbench.report.outcomes import BITS, FIGURES, HEADLINE
from tokbench.report.result_set import Board, ResultSet
from tokbench.report.rows import Row
from tokbench.report.tables import Column, Entry, Table
from tokbench.schema.run_spec import BASELINE_TOKENIZER

OPTIONS = 22  # characters of a row's options that are printed; of more, their number
USUAL = ("below ", "no better than ")  # remarks that the order of the rows shows
LEGEND = (
    "95 %: interval of R@10 over users and training runs. group: rows that share a letter are not "
    "significantly different. Every column, and what stands behind them: --wide. Terms: "
    "docs/glossary.md."
)
FIRST = 4  # columns that are always there: method, R@10, its interval, its group


def tables(results: ResultSet) -> list[Table]:
    """One per board."""
    return [_of_board(board) for board in results.boards]


def _of_board(board: Board) -> Table:
    names = method_names(board.rows)
    bits = any(BITS in row.values for row in board.rows)
    others = [name for name in ("ndcg@10", "recall@5", "recall@20", "recall@40", "ndcg@5",
                                "ndcg@20", "ndcg@40") if name in FIGURES]  # fmt: skip
    columns = (
        Column("method"), Column("R@10", "figure"), Column("95 %", "interval"), Column("group"),
        *((Column(BITS, "figure"),) if bits else ()), Column("seeds", "count"),
        *(Column(name[0].upper() + name[name.index("@") :], "figure") for name in others),
        Column("hits@10", "count"), Column("remark"),
    )  # fmt: skip
    rows: list[tuple[Entry, ...]] = [
        (name, row.values[HEADLINE], row.intervals[HEADLINE], ranges(row.group),
         *((row.values.get(BITS),) if bits else ()), row.seeds,
         *(row.values[other] for other in others), row.hits, row.remark)
        for name, row in zip(names, board.rows, strict=True)
    ]  # fmt: skip
    return Table(
        str(board.title), columns, tuple(rows), " ".join((*remarks(board, names), LEGEND)),
        always=FIRST,
    )  # fmt: skip


def method_names(rows: tuple[Row, ...]) -> list[str]:
    """A line for each row: a baseline's generator; else the tokenizer, its generator where the
    board has several, its policy where that is not the usual one."""
    coded = [row for row in rows if row.tokenizer != BASELINE_TOKENIZER]
    several = len({row.generator for row in coded}) > 1
    usual = Counter(row.policy for row in coded).most_common(1)[0][0] if coded else ""
    names = [_name(row, short, several, usual) for row in rows]
    twice = {name for name, count in Counter(names).items() if count > 1}
    return [
        _name(row, str, several, usual) if name in twice else name
        for row, name in zip(rows, names, strict=True)
    ]


def _name(row: Row, written: Callable[[str], str], several: bool, usual: str) -> str:
    if row.tokenizer == BASELINE_TOKENIZER:
        return written(row.generator)
    parts = [written(row.tokenizer)]
    parts += [written(row.generator)] if several else []
    parts += [row.policy] if row.policy != usual else []
    return " · ".join(parts)


def short(label: str) -> str:
    """A label with long options counted, `tiger [4 options]`, and a code table's file alone."""
    table = re.fullmatch(r"table:(.+)@[0-9a-f]{6}( \[missing=random\])?", label)
    if table:
        return table[1]
    found = re.fullmatch(r"(.*?) \[(.*)\]", label)
    if found is None or len(found[2]) <= OPTIONS:
        return label
    return f"{found[1]} [{found[2].count('=')} options]"


def ranges(group: str) -> str:
    """Letters of a group, runs of four or more written as `a-d`."""
    parts, start = [], 0
    for n in range(1, len(group) + 1):
        if n == len(group) or ord(group[n]) != ord(group[n - 1]) + 1:
            run = group[start:n]
            parts.append(f"{run[0]}-{run[-1]}" if len(run) > 3 else run)
            start = n
    return "".join(parts)


def remarks(board: Board, names: list[str]) -> Iterator[str]:
    """What is said of some rows only, a sentence for each remark."""
    said: dict[str, list[str]] = {}
    for name, row in zip(names, board.rows, strict=True):
        for remark in filter(None, row.remark.split(", ")):
            if not remark.startswith(USUAL):
                said.setdefault(remark.split(":")[0] if ":" in remark else remark, []).append(name)
    for remark, of in said.items():
        count = f"{', '.join(of[:2])} and {len(of) - 2} more" if len(of) > 3 else ", ".join(of)
        yield f"{remark}: {count}."
    for record in board.failed:
        yield f"failed: {record.spec.tokenizer.label} (seed {record.spec.seeds}): {record.error}."

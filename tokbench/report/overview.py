"""Every method on every dataset: a table per setting, a column per board."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from tokbench.report.outcomes import HEADLINE
from tokbench.report.result_set import Board, ResultSet
from tokbench.report.rows import Method, Row
from tokbench.report.tables import METHOD, Column, Entry, Table
from tokbench.stats.bootstrap import mean_interval

COLUMNS = (*METHOD, Column("win rate", "figure"), Column("datasets", "count"),
           Column("mean", "figure"), Column("95 %", "interval"))  # fmt: skip
NOTE = (
    "Recall@10 over items, seeds averaged; an empty cell: not run. Rows on one dataset only are "
    "left out. mean: of rows on every dataset, with a 95 % interval made of the boards' own (other "
    "users on each, so their errors are taken as independent). win rate: over the other rows shown "
    "of a board, 1 where this one is above and significantly different, 1/2 where they share a "
    "rank group, 0 where it is below; averaged over its datasets."
)


def tables(results: ResultSet) -> list[Table]:
    """The boards that differ in nothing but the data, side by side, where there are two or more."""
    return overview(results.boards)


def overview(boards: Sequence[Board]) -> list[Table]:
    """As `tables`, of boards."""
    settings: dict[str, list[Board]] = {}
    for board in boards:
        if board.rows:
            settings.setdefault(board.title.setting, []).append(board)
    return [_table(setting, found) for setting, found in settings.items() if len(found) > 1]


def _table(title: str, boards: Sequence[Board]) -> Table:
    found: dict[Method, list[Row | None]] = {}
    for n, board in enumerate(boards):
        for row in board.rows:
            found.setdefault(row.method, [None] * len(boards))[n] = row
    shown = {method: rows for method, rows in found.items() if len(boards) - rows.count(None) > 1}
    rates = win_rates(list(shown.values()))
    lines = [
        (*method, rate, *_entries(rows))
        for (method, rows), rate in sorted(
            zip(shown.items(), rates, strict=True), key=lambda line: (-line[1], line[0][0])
        )
    ]
    columns = (*COLUMNS, *(Column(head, "figure") for head in _heads(boards)))
    return Table(title, columns, tuple(lines), NOTE + _options(boards))


def _heads(boards: Sequence[Board]) -> list[str]:
    """The datasets; with their options where two have one name, and with the data's digest where
    these are the same too."""
    titles = [board.title for board in boards]
    labels = [title.dataset for title in titles]
    names = [_bare(label) for label in labels]
    return [
        bare
        if names.count(bare) == 1
        else label
        if labels.count(label) == 1
        else f"{label} · data {title.dataset_digest[:8]}"
        for title, label, bare in zip(titles, labels, names, strict=True)
    ]


def _bare(label: str) -> str:
    """A dataset's label without its options."""
    return label.partition(" [")[0]


def _options(boards: Sequence[Board]) -> str:
    """Which datasets were read with options, in words."""
    labels = [board.title.dataset for board in boards if " [" in board.title.dataset]
    return f" Read with options: {', '.join(labels)}." if labels else ""


def _entries(rows: Sequence[Row | None]) -> tuple[Entry, ...]:
    there = [row for row in rows if row is not None]
    mean: tuple[Entry, Entry] = (None, None)
    if len(there) == len(rows):
        value, (low, high) = mean_interval(
            [(row.values[HEADLINE], row.intervals[HEADLINE]) for row in there]
        )
        mean = value, (max(0.0, low), high)
    values = [None if row is None else row.values[HEADLINE] for row in rows]
    return (len(there), *mean, *values)


def win_rates(table: Sequence[Sequence[Row | None]]) -> list[float]:
    """Of each line [datasets], see NOTE. A board that a row has to itself says nothing."""
    rates = []
    for line in table:
        boards = []
        for n, row in enumerate(line):
            others = [other[n] for other in table if other is not line]
            scores = [_score(row, other) for other in others if row and other]
            boards += [fmean(scores)] if scores else []
        rates.append(fmean(boards) if boards else 0.5)
    return rates


def _score(row: Row, other: Row) -> float:
    tied = not row.group or bool(set(row.group) & set(other.group))
    return 0.5 if tied else float(row.values[HEADLINE] > other.values[HEADLINE])

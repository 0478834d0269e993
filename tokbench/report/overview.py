"""Every method on every dataset: ranked on common datasets, the rest beside them unranked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

import numpy as np

from tokbench.report.outcomes import HEADLINE
from tokbench.report.result_set import Board, ResultSet
from tokbench.report.rows import Method, Row
from tokbench.report.tables import METHOD, Column, Entry, Table
from tokbench.schema.run_spec import PROTOCOLS
from tokbench.stats.estimate import mean
from tokbench.stats.pairs import covariance
from tokbench.stats.standings import standings

RANKED = (*METHOD, Column("win rate", "figure"), Column("95 %, win rate", "interval"),
          Column("mean rank", "figure"), Column("95 %, mean rank", "interval"),
          Column("mean", "figure"),
          Column("95 %", "interval"))  # fmt: skip
NOTE = (
    "Recall@10 over items, seeds averaged. Ranked are rows on common datasets only: of all sets of "
    "datasets that several rows have in common, the one with the most figures in it. mean: over "
    "these datasets, its 95 % interval over users and training runs. win rate: share of the other "
    "ranked rows that a row is above; mean rank (Borda): 1 is the best; their intervals draw "
    "datasets, users and training runs again. Where a row is marked users only on its board, its "
    "training runs are in none of the intervals."
)
REST = (
    "Not ranked, by name: rows on two datasets or more without all of the common ones, and "
    "diagnostics, which are told what no method is told. An empty cell: not run."
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
    return [
        table
        for setting, found in sorted(settings.items(), key=_without_a_leak_first)
        if len(found) > 1
        for table in _tables(setting, found)
    ]


def _without_a_leak_first(setting: tuple[str, list[Board]]) -> int:
    """The place of its protocol; unknown ones last."""
    protocol = setting[1][0].title.protocol
    return PROTOCOLS.index(protocol) if protocol in PROTOCOLS else len(PROTOCOLS)


def _tables(title: str, boards: Sequence[Board]) -> Iterator[Table]:
    """The ranked rows, then those that are not."""
    found: dict[Method, dict[int, Row]] = {}
    for n, board in enumerate(boards):
        for row in board.rows:
            found.setdefault(row.method, {})[n] = row
    shown = {method: rows for method, rows in found.items() if len(rows) > 1}
    paired = {n for n, board in enumerate(boards) if board.methods.same_users}
    fair = {method: paired & rows.keys() for method, rows in shown.items()
            if not any(row.is_diagnostic for row in rows.values())}  # fmt: skip
    block = common_block(fair)
    ranked = [method for method in fair if block and block <= shown[method].keys()]
    heads = _heads(boards)
    if ranked:
        columns = (*RANKED, *(Column(heads[n], "figure") for n in sorted(block)))
        some = [boards[n] for n in sorted(block)]
        lines = _ranked(ranked, some)
        yield Table(title, columns, tuple(lines), NOTE + _options(some))
    rest = sorted(method for method in shown if method not in ranked)
    if rest:
        columns = (
            *METHOD,
            Column("datasets", "count"),
            *(Column(head, "figure") for head in heads),
        )
        values = [
            (*method, len(shown[method]),
             *(shown[method][n].values[HEADLINE] if n in shown[method] else None
               for n in range(len(boards))))
            for method in rest
        ]  # fmt: skip
        yield Table("" if ranked else title, columns, tuple(values), REST + _options(boards))


def common_block(have: Mapping[Method, Set[int]]) -> frozenset[int]:
    """The datasets on which rows are ranked: with the rows that have all of them they make the
    most figures, at least two by two; of equal ones the most datasets, then the first. Empty where
    no two rows have two datasets in common."""
    sets: set[frozenset[int]] = set()
    for one in {frozenset(each) for each in have.values()}:
        sets |= {one} | {one & other for other in sets}
    sizes = {one: sum(one <= other for other in have.values()) for one in sets if len(one) > 1}
    best = [one for one in sizes if sizes[one] > 1]
    return max(
        best,
        key=lambda one: (len(one) * sizes[one], len(one), [-n for n in sorted(one)]),
        default=frozenset(),
    )


def _ranked(methods: Sequence[Method], boards: Sequence[Board]) -> Iterator[tuple[Entry, ...]]:
    """A line per method, the best first."""
    samples, figures, covariances = [], [], []
    for board in boards:
        at = {row.method: row for row in board.rows}
        rows = [board.sample(at[method], HEADLINE) for method in methods]
        samples.append(rows)
        figures.append([row.mean for row in rows])
        covariances.append(covariance(rows))
    found = standings(np.array(figures), np.array(covariances))
    for n in sorted(range(len(methods)), key=lambda n: (found.mean_rank[n], methods[n])):
        whole = mean([rows[n].estimate for rows in samples])
        low, high = whole.interval()
        wins, ranks = (
            (float(interval[n, 0]), float(interval[n, 1]))
            for interval in (found.win_interval, found.rank_interval)
        )
        yield (*methods[n], float(found.win_rate[n]), wins, float(found.mean_rank[n]), ranks,
               whole.value, (max(0.0, low), high), *(row[n] for row in figures))  # fmt: skip


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

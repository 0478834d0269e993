"""The boards: Recall and NDCG @5 to @40 of every method, and what stands behind the figures."""

from __future__ import annotations

from collections.abc import Iterator

from tokbench.report import narrow_board
from tokbench.report.outcomes import BITS, CODE_LEVEL, COLUMNS, FIGURES, HEADLINE
from tokbench.report.overview import overview
from tokbench.report.paper_layout import paper_layout
from tokbench.report.power import powers
from tokbench.report.result_set import Board, ResultSet
from tokbench.report.rows import STAGES, Row, method_of
from tokbench.report.tables import METHOD, Column, Entry, Table, markdown

NOTE = (
    "Items are scored, not codes: ties inside a tuple count at their expected rank. "
    "[low, high]: 95 % interval over users and training runs, whose variance is pooled over the "
    "rows of a family: random codes, semantic codes, models over item ids. "
    "users only: no row of the family was run twice, so the interval is too narrow and the row has "
    "no group. "
    "code-level: what most papers report. "
    "group: rows that share a letter are not significantly different (paired tests on Recall@10 "
    "over users and training runs; some error on 5 % of boards). "
    "dup.: share of items without a tuple of their own before the collision policy."
)
BITS_NOTE = (
    "bits: -log2 of the probability that the generator gives the target item, mean over users and "
    "seeds; fewer are better. Only generators that are distributions have them."
)
AXES = ("tokenizer", "generator", "rest")  # of stats/seeds.py


def heading(figure: str) -> str:
    """`R@10` of `recall@10`."""
    return figure[0].upper() + figure[figure.index("@") :]


def scores_columns(bits: bool) -> tuple[Column, ...]:
    """Of the first table; with bits per item where some row of the board has them."""
    return (
        *METHOD, Column("seeds", "count"), *(Column(heading(name), "figure") for name in FIGURES),
        *((Column(BITS, "figure"),) if bits else ()),
        Column("R@10, 95 %", "interval"), Column("group"), Column("remark"),
    )  # fmt: skip


DETAILS = (
    *METHOD, Column("hits@10", "count"), Column("code-level R@10", "figure"),
    Column("R@10 by seed"), Column("dup.", "percent"), Column("validation NDCG@10", "curve"),
    Column("seconds: tokenize + train + generate"),
)  # fmt: skip


def tables(results: ResultSet) -> list[Table]:
    """Two per board: the figures, and what stands behind them."""
    made = [table for board in results.boards for table in _of_board(board)]
    bits = any(BITS in row.values for board in results.boards for row in board.rows)
    note = f"{NOTE} {BITS_NOTE}" if bits else NOTE
    return [*made[:-1], _noted(made[-1], note)] if made else []


def markdown_tables(results: ResultSet) -> list[Table]:
    """The overview, then the boards."""
    return [*overview(results.boards), *tables(results)]


def terminal_tables(results: ResultSet) -> list[Table]:
    """One per board, as narrow as the terminal."""
    return narrow_board.tables(results)


def latex_tables(results: ResultSet) -> list[Table]:
    """One per board in the layout of a paper's table."""
    return [paper_layout(board) for board in results.boards]


def csv_tables(results: ResultSet) -> list[Table]:
    """One per board for programs: every figure with its interval and range over seeds."""
    return [_full(board) for board in results.boards]


json_tables = csv_tables


def page(results: ResultSet) -> str:
    """The text of results/BOARD.md."""
    return markdown(markdown_tables(results))


def _of_board(board: Board) -> tuple[Table, Table]:
    bits = any(BITS in row.values for row in board.rows)
    scores: list[tuple[Entry, ...]] = [
        (*row.method, row.seeds, *(row.values[name] for name in FIGURES),
         *((row.values.get(BITS),) if bits else ()), row.intervals[HEADLINE], row.group, row.remark)
        for row in board.rows
    ]  # fmt: skip
    details = [(*row.method, *_details(row)) for row in board.rows]
    return (
        Table(str(board.title), scores_columns(bits), tuple(scores)),
        Table("", DETAILS, tuple(details), "\n\n".join(notes(board))),
    )


def _noted(table: Table, note: str) -> Table:
    return Table("", table.columns, table.rows, "\n\n".join(filter(None, (table.note, note))))


def _details(row: Row) -> tuple[Entry, ...]:
    low, high = row.spread.get(HEADLINE, (0.0, 0.0))
    axes = ", ".join(f"{axis} {sd:.4f}" for axis, sd in row.axes.items())
    return (
        row.hits,
        row.values[CODE_LEVEL],
        f"{low:.4f}-{high:.4f}" + (f"; sd: {axes}" if axes else "") if row.seeds > 1 else "",
        row.duplicate_rate,
        row.validation,
        " + ".join(f"{seconds:.0f}" for seconds in row.seconds.values()),
    )


def notes(board: Board) -> Iterator[str]:
    """What a reader of this board must know, a sentence or two each."""
    yield runs_words(board)
    shapes = [f"{100 * rate:.1f} % ({shape})" for shape, rate in board.random_duplicates]
    if shapes:
        yield f"Duplicates expected of random codes: {', '.join(shapes)}."
    for record in board.failed:
        yield f"Failed: {' · '.join(method_of(record))} (seed {record.spec.seeds}): {record.error}"


def runs_words(board: Board) -> str:
    """The run-to-run variance, what it lets be seen, and what is left out, in plain sentences."""
    known = board.methods.variances(HEADLINE)
    if known:
        sds = "; ".join(
            f"{family} {one.sd:.4f}, of which the run's own {one.net_sd:.4f} ({one.df:g} degrees "
            "of freedom)"
            for family, one in sorted(known.items())
        )
        said = f"Standard deviation of Recall@10 from one training run to the next: {sds}."
    else:
        said = (
            "No trained row was run twice: intervals cover the sampling of users only, and no row "
            "has a group."
        )
    for one in sorted(powers(board, HEADLINE), key=lambda one: -one.rows)[:1]:
        seen, share = one.detectable(one.runs)
        said += (
            f" Two {one.family} rows of {one.runs} runs: a difference of {seen:.4f} "
            f"({100 * share:.0f} %) is found four times in five (`tokbench power`)."
        )
    if board.superseded:
        plural = (
            "record of earlier code is" if board.superseded == 1 else "records of earlier code are"
        )
        said += f" {board.superseded} {plural} not shown."
    return said


def _full(board: Board) -> Table:
    title = board.title
    shared = {name: getattr(title, name) for name in (
        "dataset", "protocol", "profile", "encoder", "beam_width", "dataset_digest")}  # fmt: skip
    facts = ("seeds", "users", "hits", "duplicate_rate", "group", "remark")
    variances = [sample.variance for sample in board.methods.samples(HEADLINE).values()]
    columns = [
        *METHOD,
        *(Column(name) for name in (*shared, "run_sd", "run_df", *facts)),
        Column("validation", "curve"),
    ]
    for name in (*COLUMNS, BITS):
        columns += [Column(name, "figure"), Column(name, "interval"),
                    Column(f"{name}/seeds", "interval")]  # fmt: skip
    columns += [Column(f"{stage}_seconds", "figure") for stage in STAGES]
    columns += [Column(f"{axis}_seed_sd", "figure") for axis in AXES]
    rows = [
        (*row.method, *shared.values(), of.sd if of.df else None, of.df,
         *(getattr(row, name) for name in facts), row.validation,
         *(entry for name in (*COLUMNS, BITS)
           for entry in (row.values.get(name), row.intervals.get(name), row.spread.get(name))),
         *(row.seconds.get(stage) for stage in STAGES), *(row.axes.get(axis) for axis in AXES))
        for row, of in zip(board.rows, variances, strict=True)
    ]  # fmt: skip
    return Table(str(title), tuple(columns), tuple(rows), "\n\n".join(notes(board)))

"""A grid file's points as a table: a paper's own layout, or a figure's values; and its claims."""

from __future__ import annotations

from collections.abc import Iterator

from tokbench.report.claims import judge, lines
from tokbench.report.grid_points import GridPoints
from tokbench.report.paper import Metric, Published, published
from tokbench.report.paper_layout import BASE, CUTOFF_COLUMNS, METRICS, OURS
from tokbench.report.tables import Column, Entry, Table
from tokbench.schema.grid_file import Point
from tokbench.scoring.metrics import CUTOFFS


def table(grid: GridPoints) -> Table:
    """What was measured at the points; the note has what a reader must know, and the claims."""
    source = grid.file.source
    title = f"{grid.file.title}: {source.place} of {source.paper} · {grid.title}"
    columns, rows = values_table(grid) if grid.file.panels else paper_table(grid)
    notes = [] if grid.file.panels else ["\n".join(table_notes(grid))]
    notes += [f"note: {source.note}"] if source.note else []
    claims = "\n".join(lines(judge(grid)))
    return Table(title, columns, rows, "\n\n".join(filter(None, [*notes, claims])))


Content = tuple[tuple[Column, ...], tuple[tuple[Entry, ...], ...]]


def values_table(grid: GridPoints) -> Content:
    """Every point of a figure with its seeds, mean and interval, or why it is a gap."""
    columns = (Column("panel"), Column("at"), Column("figure"), Column("seeds", "count"),
               Column("mean", "figure"), Column("95 %", "interval"))  # fmt: skip
    rows = []
    for point in grid.points:
        panel = next(panel for panel in grid.file.panels if panel.name == point.panel)
        at = ", ".join(
            f"{axis.symbol} = {value}"
            for axis, (_, value) in zip(panel.axes, point.at, strict=True)
        )
        mean = grid.mean(point, panel.figure)
        found = (None, None) if mean is None else (mean.value, mean.interval)
        why = (grid.gaps.get(point, ""),) if grid.gaps else ()
        rows.append((panel.name, at, panel.figure, grid.seeds(point), *found, *why))
    return columns + (Column("gap"),) * bool(grid.gaps), tuple(rows)


def paper_table(grid: GridPoints) -> Content:
    """NDCG and Recall of each tokenizer, the printed figures beside ours where the paper has this
    dataset, how much cost improves on rqvae, and the baselines below."""
    theirs = published_for(grid)
    columns = [Column("tokenizer"), Column("metric")]
    for column in CUTOFF_COLUMNS:
        columns += (
            [column, Column("paper", "figure", f"paper{column.head}")] if theirs else [column]
        )
    rows: list[tuple[Entry, ...]] = [
        (str(value) if metric == "ndcg" else "", word, *_entries(grid, point, str(value), metric))
        for point in grid.points
        for _, value in point.at
        for metric, word in METRICS
    ]
    rows += _improvements(grid)
    for name, outcomes in grid.baselines.items():
        for metric, word in METRICS:
            ours = [outcomes.mean(f"{metric}@{k}") for k in CUTOFFS]
            cells = [entry for one in ours for entry in ([one, None] if theirs else [one])]
            rows.append((name if metric == "ndcg" else "", word, *cells))
    return tuple(columns), tuple(rows)


def published_for(grid: GridPoints) -> Published | None:
    """The printed table of this dataset, protocol and generator."""
    for table in published():
        if (
            grid.file.source.place in table.source
            and grid.spec.dataset.label in table.datasets
            and grid.spec.protocol == table.protocol
            and any(row.ours.endswith(f"/{grid.spec.generator.name}") for row in table.rows)
        ):
            return table
    return None


def table_notes(grid: GridPoints) -> Iterator[str]:
    """What a reader must know to compare, and the rows that are not there."""
    theirs = published_for(grid)
    if theirs is None:
        yield "The paper prints no figures for this dataset, protocol and generator."
    else:
        yield f"paper: {theirs.source}; {theirs.lineage()}"
        if grid.spec.profile != "paper":
            yield f"ours: profile {grid.spec.profile}, not the paper's sizes"
        users = {one.users for one in grid.outcomes.values()}
        if users and users != {theirs.users}:
            yield f"ours: {max(users)} users, theirs {theirs.users}: other data"
    for point, why in grid.gaps.items():
        yield f"gap: {', '.join(str(value) for _, value in point.at)}: {why}"


def _entries(grid: GridPoints, point: Point, tokenizer: str, metric: Metric) -> list[Entry]:
    theirs = published_for(grid)
    entries: list[Entry] = []
    for k in CUTOFFS:
        mean = grid.mean(point, f"{metric}@{k}")
        entries.append("gap" if mean is None else mean.value)
        if theirs:
            entries.append(theirs.figure(tokenizer, grid.spec.generator.name, metric, k))
    return entries


def _improvements(grid: GridPoints) -> Iterator[tuple[Entry, ...]]:
    """Ours and the paper's, the latter from its printed digits; none without both rows."""
    points = {str(value): point for point in grid.points for _, value in point.at}
    if not {OURS, BASE} <= points.keys():
        return
    theirs, generator = published_for(grid), grid.spec.generator.name
    for metric, word in METRICS:
        cells = []
        for k in CUTOFFS:
            pair = [grid.mean(points[name], f"{metric}@{k}") for name in (OURS, BASE)]
            values = [None if mean is None else mean.value for mean in pair]
            cells.append(_percent(values[0], values[1]))
            if theirs:
                found = [theirs.figure(n, generator, metric, k) for n in (OURS, BASE)]
                cells.append(_percent(found[0], found[1]))
        yield (f"Impr. ({OURS} over {BASE})" if metric == "ndcg" else "", word, *cells)


def _percent(ours: float | None, base: float | None) -> str:
    return "" if ours is None or not base else f"{100 * (ours / base - 1):+.1f} %"

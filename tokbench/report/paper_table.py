"""A grid file's points as text: a paper's table in its own layout, or a figure's values."""

from __future__ import annotations

from collections.abc import Iterator

from tokbench.report.board import FIGURES
from tokbench.report.grid_sheet import GridSheet
from tokbench.report.latex import BASE, METRICS, OURS
from tokbench.report.published import Metric, Published, published
from tokbench.schema.grid_file import Point
from tokbench.scoring.metrics import CUTOFFS

Table = tuple[list[str], list[list[str]]]  # heads, rows


def values_table(sheet: GridSheet) -> Table:
    """Every point of a figure with its seeds, mean and interval, or why it is a gap."""
    heads = ["panel", "at", "figure", "seeds", "mean", "95 %"]
    rows = []
    for point in sheet.points:
        panel = next(panel for panel in sheet.file.panels if panel.name == point.panel)
        at = ", ".join(
            f"{axis.symbol} = {value}"
            for axis, (_, value) in zip(panel.axes, point.at, strict=True)
        )
        mean = sheet.mean(point, panel.figure)
        found = ["gap", sheet.gaps.get(point, "")]
        if mean is not None:
            found = [f"{mean.value:.4f}", f"[{mean.low:.4f}, {mean.high:.4f}]"]
        rows.append([panel.name, at, panel.figure, str(len(sheet.runs[point])), *found])
    return heads, rows


def paper_table(sheet: GridSheet) -> Table:
    """NDCG and Recall of each tokenizer, the printed figures beside ours where the paper has this
    dataset, how much cost improves on rqvae, and the baselines below."""
    theirs = published_for(sheet)
    heads = ["tokenizer", "metric"]
    for k in CUTOFFS:
        heads += [f"@{k}", *(["paper"] if theirs else [])]
    rows = [
        [str(value) if metric == "ndcg" else "", word, *_cells(sheet, point, str(value), metric)]
        for point in sheet.points
        for _, value in point.at
        for metric, word in METRICS
    ]
    rows += _improvements(sheet)
    for name, outcomes in sheet.baselines.items():
        means = outcomes.mean(axis=0)
        for metric, word in METRICS:
            ours = [f"{means[FIGURES.index(f'{metric}@{k}')]:.4f}" for k in CUTOFFS]
            cells = [text for cell in ours for text in ([cell, ""] if theirs else [cell])]
            rows.append([name if metric == "ndcg" else "", word, *cells])
    return heads, rows


def published_for(sheet: GridSheet) -> Published | None:
    """The printed table of this dataset, protocol and generator."""
    for table in published():
        if (
            sheet.file.source.place in table.source
            and sheet.spec.dataset.label in table.datasets
            and sheet.spec.protocol == table.protocol
            and sheet.spec.generator.name == table.generator
        ):
            return table
    return None


def table_notes(sheet: GridSheet) -> Iterator[str]:
    """What a reader must know to compare, and the rows that are not there."""
    theirs = published_for(sheet)
    if theirs is None:
        yield "The paper prints no figures for this dataset, protocol and generator."
    else:
        yield f"paper: {theirs.source}" + (f"; {theirs.note}" if theirs.note else "")
        if sheet.spec.profile != "paper":
            yield f"ours: profile {sheet.spec.profile}, not the paper's sizes"
        users = {len(outcomes) for outcomes in sheet.outcomes.values()}
        if users and users != {theirs.users}:
            yield f"ours: {max(users)} users, theirs {theirs.users}: other data"
    for point, why in sheet.gaps.items():
        yield f"gap: {', '.join(str(value) for _, value in point.at)}: {why}"


def _cells(sheet: GridSheet, point: Point, tokenizer: str, metric: Metric) -> list[str]:
    theirs, cells = published_for(sheet), []
    for k in CUTOFFS:
        mean = sheet.mean(point, f"{metric}@{k}")
        cells.append("gap" if mean is None else f"{mean.value:.4f}")
        if theirs:
            printed = theirs.rows.get(tokenizer, {}).get(metric, {}).get(k)
            cells.append("" if printed is None else f"{printed:.4f}")
    return cells


def _improvements(sheet: GridSheet) -> list[list[str]]:
    """Ours and the paper's, the latter from its printed digits; none without both rows."""
    points = {str(value): point for point in sheet.points for _, value in point.at}
    if not {OURS, BASE} <= points.keys():
        return []
    theirs, rows = published_for(sheet), []
    for metric, word in METRICS:
        cells = []
        for k in CUTOFFS:
            pair = [sheet.mean(points[name], f"{metric}@{k}") for name in (OURS, BASE)]
            values = [None if mean is None else mean.value for mean in pair]
            cells.append(_percent(values[0], values[1]))
            if theirs:
                found = [theirs.rows.get(n, {}).get(metric, {}).get(k) for n in (OURS, BASE)]
                cells.append(_percent(found[0], found[1]))
        rows.append([f"Impr. ({OURS} over {BASE})" if metric == "ndcg" else "", word, *cells])
    return rows


def _percent(ours: float | None, base: float | None) -> str:
    return "" if ours is None or not base else f"{100 * (ours / base - 1):+.1f} %"

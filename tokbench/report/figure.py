"""A grid file's points as png and svg: a panel per plot, means with 95 % intervals, gaps as gaps.

Colours are those of Okabe and Ito (2008), told apart by the colour-blind; markers and dashes tell
the lines apart in grey print too.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokbench.errors import MissingExtraError
from tokbench.report.claims import Judged
from tokbench.report.grid_points import GridPoints, Mean
from tokbench.schema.grid_file import Panel, Point, Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOOKS = (("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", "-."),
         ("#CC79A7", "D", ":"), ("#56B4E9", "v", "-"), ("#000000", "P", "--"))  # fmt: skip
GREY = "#595959"
STYLE: Any = {
    "font.size": 9, "axes.titlesize": 10, "axes.labelsize": 9, "legend.fontsize": 8,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.color": "#e4e4e4", "grid.linewidth": 0.6, "axes.axisbelow": True,
    "svg.hashsalt": "tokbench",  # the same records draw the same file
}  # fmt: skip


def save_figure(grid: GridPoints, judged: Sequence[Judged], stem: Path) -> list[Path]:
    """Write STEM.png and STEM.svg; returns both. Raises MissingExtraError without matplotlib."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtraError(
            "drawing a figure", package="matplotlib", extra="figures"
        ) from error
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_name(f"{stem.name}.{form}") for form in ("png", "svg")]
    with mpl.rc_context(STYLE):
        figure = draw(grid, judged)
        figure.savefig(paths[0], dpi=200)
        figure.savefig(paths[1], metadata={"Date": None})
    return paths


def draw(grid: GridPoints, judged: Sequence[Judged]) -> Figure:
    """The figure, panels side by side, each with the verdicts on its claims."""
    from matplotlib.figure import Figure

    panels = grid.file.panels
    figure = Figure(figsize=(3.3 * len(panels) + 0.4, 3.9), layout="constrained")
    figure.suptitle(f"{grid.file.title} ({grid.file.source.place})", fontsize=11)
    shared: dict[str, Axes] = {}  # panels of one figure of merit have one scale
    for place, panel in enumerate(panels, 1):
        axes = figure.add_subplot(1, len(panels), place, sharey=shared.get(panel.figure))
        shared.setdefault(panel.figure, axes)
        _panel(axes, grid, panel)
    for axes, panel in zip(figure.axes, panels, strict=True):  # scales are known only now
        verdicts = [one for one in judged if one.claim.panel == panel.name]
        heading = [textwrap.fill(f"{one.verdict}: {one.claim.says}", 50) for one in verdicts]
        heading += _baseline(axes, grid, panel.figure)
        axes.set_title("\n".join(heading), fontsize=7.5, color=GREY, loc="left")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    for axes in figure.axes[1:]:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            if label not in labels:
                handles.append(handle)
                labels.append(label)
    if labels:
        figure.legend(handles, labels, frameon=False, loc="outside right center")
    figure.supxlabel(_caption(grid), fontsize=7.5, color=GREY)
    return figure


def _caption(grid: GridPoints) -> str:
    """What was measured, and how to read it."""
    counts = sorted({grid.seeds(point) for point in grid.outcomes}) or [0]
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    words = f"mean over users and {seeds} seed{'' if seeds == '1' else 's'}"
    known = grid.methods.variances(grid.file.panels[0].figure) if grid.outcomes else {}
    bars = "users and training runs" if known else "users"
    gaps = "; crosses: no figure" if grid.gaps else ""
    return f"{grid.title}\n{words}, bars: 95 % intervals over {bars}{gaps}"


def _panel(axes: Axes, grid: GridPoints, panel: Panel) -> None:
    metric, _, k = panel.figure.partition("@")
    axes.set_xlabel(f"{panel.x.label} {panel.x.symbol}".strip())
    axes.set_ylabel(f"{'NDCG' if metric == 'ndcg' else 'Recall'}@{k}")
    positions = _positions(axes, panel)
    lines: Sequence[Value | None] = [None] if panel.lines is None else panel.lines.values
    for turn, value in enumerate(lines):
        points = [_point(panel, x, value) for x in panel.x.values]
        # lines share their x values: step aside, so that bars do not hide each other
        aside = 0.07 * (turn - (len(lines) - 1) / 2)
        shifted = [position + aside for position in positions]
        label = "" if panel.lines is None else f"{panel.lines.symbol} = {value}"
        _line(axes, shifted, [grid.mean(point, panel.figure) for point in points], turn, label)
        for position, point in zip(shifted, points, strict=True):
            if point in grid.gaps:
                _gap(axes, position, grid.gaps[point], turn)


def _positions(axes: Axes, panel: Panel) -> list[float]:
    """Where the x values stand: in even steps, which suits 32, 64, 128 as it does 3, 4, 5, or on
    their own scale where all are numbers and it is linear with uneven steps."""
    values = panel.x.values
    numbers = [float(value) for value in values if not isinstance(value, str)]
    even: list[float] = [float(n) for n in range(len(values))]
    if len(numbers) == len(values) > 1:
        scaled = np.log(numbers) if panel.x.scale == "log" else np.array(numbers)
        span = scaled.max() - scaled.min()
        even = [float(p) for p in (scaled - scaled.min()) / span * (len(values) - 1)]
    axes.set_xticks(even, [str(value) for value in values])
    axes.set_xlim(-0.35, len(values) - 0.65)
    return even


def _line(
    axes: Axes, positions: Sequence[float], means: Sequence[Mean | None], turn: int, label: str
) -> None:
    """Means with bars; nan where there is none, which breaks the line."""
    colour, marker, dashes = LOOKS[turn % len(LOOKS)]
    y = np.array([np.nan if mean is None else mean.value for mean in means])
    low = np.array([np.nan if mean is None else mean.low for mean in means])
    high = np.array([np.nan if mean is None else mean.high for mean in means])
    axes.errorbar(
        positions, y, yerr=[y - low, high - y], color=colour, marker=marker, linestyle=dashes,
        markersize=5, linewidth=1.4, elinewidth=1, capsize=2.5, label=label,
    )  # fmt: skip


def _gap(axes: Axes, position: float, why: str, turn: int) -> None:
    """A cross at the foot of the panel, in the line's colour, and a word for the reason."""
    colour = LOOKS[turn % len(LOOKS)][0]
    word = "collapsed" if "collapsed" in why else why if why == "no record" else "failed"
    foot = axes.get_xaxis_transform()
    height = 0.03 + 0.055 * turn
    axes.plot([position], [height], marker="x", color=colour, transform=foot, clip_on=False)
    axes.text(position + 0.06, height, word, color=colour, fontsize=6.5, va="center",
              transform=foot)  # fmt: skip


def _baseline(axes: Axes, grid: GridPoints, figure: str) -> list[str]:
    """The best baseline as a line; where that would squash the rest, its figure in words."""
    found = {name: one.mean(figure) for name, one in grid.baselines.items()}
    if not found:
        return []
    name = max(found, key=lambda key: found[key])
    low, high = axes.get_ylim()
    room = 0.4 * (high - low)
    if not low - room <= found[name] <= high + room:
        return [f"{name}: {found[name]:.4f}, off this scale"]
    axes.axhline(found[name], color=GREY, linewidth=1, linestyle=(0, (1, 1.5)))
    axes.text(0.01, found[name], name, color=GREY, fontsize=7, ha="left", va="bottom",
              transform=axes.get_yaxis_transform())  # fmt: skip
    return []


def _point(panel: Panel, x: Value, line: Value | None) -> Point:
    at = [(panel.x.option, x)]
    if panel.lines is not None and line is not None:
        at.append((panel.lines.option, line))
    return Point(panel.name, tuple(at))

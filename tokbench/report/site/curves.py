"""Training curves as small drawings: one per quantity, the levels of a codebook together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tokbench.report.site.axes import Scale, linear

WIDTH, HEIGHT = 340, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 330, 12, 160
MOST = 300  # points drawn of a line
CLOCKS = ("epoch", "step", "steps", "seconds")  # what a row says of itself: no curve

Log = Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class Line:
    """A quantity over epochs."""

    name: str
    path: str
    first: float
    last: float
    least: float
    most: float
    end: tuple[float, float]  # pixels of its last point


@dataclass(frozen=True)
class Chart:
    """Lines on common axes."""

    stage: str
    name: str
    unit: str  # of the x axis
    x: Scale
    y: Scale
    lines: tuple[Line, ...]
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def said(self) -> str:
        """The drawing in words, for those who do not see it."""
        parts = [
            f"{line.name} from {line.first:.4g} to {line.last:.4g}, "
            f"lowest {line.least:.4g}, highest {line.most:.4g}"
            for line in self.lines
        ]
        return f"{self.name} over {self.x.high:g} {self.unit}s: {'; '.join(parts)}"


def charts(curves: Mapping[str, Log]) -> list[Chart]:
    """Every quantity that a stage logged at least twice; `used_1`, `used_2` share a chart."""
    found = []
    for stage, log in curves.items():
        names = list(dict.fromkeys(name for row in log for name in row if name not in CLOCKS))
        groups: dict[str, list[str]] = {}
        for name in names:
            groups.setdefault(re.sub(r"_?\d+$", "", name) or name, []).append(name)
        for base, members in groups.items():
            title = base if len(members) > 1 else members[0]
            chart = _chart(stage, title, members, log)
            if chart is not None:
                found.append(chart)
    return found


def _chart(stage: str, title: str, names: Sequence[str], log: Log) -> Chart | None:
    unit = "epoch" if any("epoch" in row for row in log) else "row"
    series = {name: _points(name, log) for name in names}
    series = {name: points for name, points in series.items() if len(points) > 1}
    if not series:
        return None
    x = linear(
        [at for points in series.values() for at, _ in points], LEFT, RIGHT, zero=True, tight=True
    )
    y = linear([value for points in series.values() for _, value in points], BOTTOM, TOP, zero=True)
    lines = [_line(name, points, x, y) for name, points in series.items()]
    return Chart(stage, title.replace("_", " "), unit, x, y, tuple(lines))


def _points(name: str, log: Log) -> list[tuple[float, float]]:
    """(epoch, value) where the row has it; rows without an epoch count from 1."""
    points = [(row.get("epoch", n + 1.0), row[name]) for n, row in enumerate(log) if name in row]
    step = -(-len(points) // MOST)
    return points[::step] if step < 2 else [*points[:-1:step], points[-1]]


def _line(name: str, points: Sequence[tuple[float, float]], x: Scale, y: Scale) -> Line:
    drawn = [(x.at(at), y.at(value)) for at, value in points]
    values = [value for _, value in points]
    path = "M" + " L".join(f"{a} {b}" for a, b in drawn)
    return Line(name.replace("_", " "), path, values[0], values[-1], min(values), max(values),
                drawn[-1])  # fmt: skip

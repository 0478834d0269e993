"""The Pareto plot of a board: Recall@10 of each row against one of its costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tokbench.report.outcomes import HEADLINE
from tokbench.report.site.axes import Scale, linear, logarithmic
from tokbench.report.site.boards import RowView
from tokbench.report.site.pareto import CostMeasure, pareto_front

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 62, 740, 24, 346
LETTER, LINE = 6.9, 14.0  # an average letter's width and a label's height, pixels
SHORTEST = 0.01  # seconds; what is shorter stands here, so that a logarithm can show it
RISES = (0.0, *(sign * step for step in (11.0, 20.0, 32.0, 44.0, 56.0, 70.0) for sign in (-1, 1)))
SIDE, SPREAD = 13.0, 180.0  # pixels between points of equal cost, and of all of them
CROWD = 14  # with more points than these, names stand close to their points or not at all


@dataclass(frozen=True)
class Mark:
    """A row on the plot, pixels; `low` and `high` end its interval."""

    view: RowView
    cost: float
    x: float
    y: float
    low: float
    high: float
    on_front: bool
    label: Label | None = None


@dataclass(frozen=True)
class Label:
    """Where a point's name stands."""

    x: float
    y: float
    anchor: str  # start or end, as SVG has it
    far: bool  # joined to its point by a line


@dataclass(frozen=True)
class Scatter:
    """All that a template draws."""

    cost: CostMeasure
    x: Scale
    y: Scale
    points: tuple[Mark, ...]
    path: str  # the front, as steps
    width: int = WIDTH
    height: int = HEIGHT


def scatter(rows: Sequence[RowView], cost: CostMeasure) -> Scatter | None:
    """The plot; None where no row has that cost."""
    known = [(view, value) for view in rows if (value := cost.of(view)) is not None]
    if not known:
        return None
    sign = 1.0 if cost.less_is_better else -1.0
    front = pareto_front([(sign * value, view.row.values[HEADLINE]) for view, value in known])
    x = _cost_axis([value for _, value in known], cost)
    bounds = [view.row.intervals[HEADLINE][1] for view, _ in known]
    y = linear(bounds, BOTTOM, TOP, zero=True)
    shifts = _side_by_side([x.at(_shown(value, cost)) for _, value in known])
    points = [
        Mark(
            view=view,
            cost=value,
            x=round(x.at(_shown(value, cost)) + shift, 1),
            y=y.at(view.row.values[HEADLINE]),
            low=y.at(view.row.intervals[HEADLINE][0]),
            high=y.at(view.row.intervals[HEADLINE][1]),
            on_front=i in front,
        )
        for i, ((view, value), shift) in enumerate(zip(known, shifts, strict=True))
    ]
    steps = [(points[i].x, points[i].y) for i in front]
    return Scatter(cost, x, y, tuple(_labelled(points)), _steps(steps, cost.less_is_better))


def _cost_axis(values: Sequence[float], cost: CostMeasure) -> Scale:
    if cost.key == "tokens":
        return linear([0.5, *values, max(values) + 0.5], LEFT, RIGHT)
    return logarithmic([_shown(value, cost) for value in values], LEFT, RIGHT)


def _shown(value: float, cost: CostMeasure) -> float:
    return max(value, SHORTEST) if cost.key != "tokens" else value


def _side_by_side(xs: Sequence[float]) -> list[float]:
    """Shifts that set points of one x beside each other; 0 for a point alone."""
    shifts = []
    for i, x in enumerate(xs):
        same = [j for j, other in enumerate(xs) if other == x]
        side = min(SIDE, SPREAD / len(same))
        shifts.append((same.index(i) - (len(same) - 1) / 2) * side)
    return shifts


def _steps(corners: Sequence[tuple[float, float]], rising: bool) -> str:
    """The front as a staircase: what is reached at a cost is reached at every greater one.

    `corners` come by falling merit of their cost: left to right where less is better.
    """
    if not corners:
        return ""
    path = f"M{corners[0][0]} {BOTTOM} V{corners[0][1]}"
    for x, y in corners[1:]:
        path += f" H{x} V{y}"
    return path + f" H{RIGHT if rising else LEFT}"


def _labelled(points: Sequence[Mark]) -> list[Mark]:
    """Names beside their points where there is room: the front first, then from the top."""
    taken = [(p.x - 6, p.y - 6, p.x + 6, p.y + 6) for p in points]
    labels: dict[int, Label] = {}
    for i in sorted(range(len(points)), key=lambda i: (not points[i].on_front, points[i].y)):
        rises = RISES if len(points) <= CROWD else RISES[:5]
        label, box = _place(points[i], rises, taken)
        if label is not None:
            labels[i] = label
            taken.append(box)
    return [
        Mark(p.view, p.cost, p.x, p.y, p.low, p.high, p.on_front, labels.get(i))
        for i, p in enumerate(points)
    ]


Box = tuple[float, float, float, float]  # left, top, right, bottom


def _place(point: Mark, rises: Sequence[float], taken: Sequence[Box]) -> tuple[Label | None, Box]:
    """The first place around the point where its name covers nothing."""
    width = LETTER * len(short_name(point.view))
    for rise in rises:
        far = abs(rise) > LINE
        for anchor in ("start", "end"):
            away = 24 if far else 10
            x = point.x + away if anchor == "start" else point.x - away
            left = x if anchor == "start" else x - width
            y = point.y + rise
            box = (left, y - LINE / 2, left + width, y + LINE / 2)
            inside = box[0] > LEFT and box[2] < WIDTH and box[1] > TOP - 14 and box[3] < BOTTOM
            if inside and not any(_overlap(box, other) for other in taken):
                return Label(round(x, 1), round(y + 4, 1), anchor, far), box
    return None, (0.0, 0.0, 0.0, 0.0)


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def short_name(view: RowView) -> str:
    """What a plot has room for: the generator of a baseline, else tokenizer and policy."""
    row = view.row
    if view.row.is_baseline:
        return row.generator
    return f"{row.tokenizer} · {row.policy}"

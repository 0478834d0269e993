"""The records of a grid file, by the points they stand for: what a figure or a table is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tokbench.report.difference import Interval
from tokbench.report.outcomes import Methods, Outcomes
from tokbench.schema.grid_file import GridFile, Point
from tokbench.schema.record import Record
from tokbench.schema.run_spec import RunSpec


@dataclass(frozen=True)
class Measured:
    """A cell of the file, the point it stands for (None: a baseline), and its record."""

    point: Point | None
    spec: RunSpec
    record: Record | None


@dataclass(frozen=True)
class Mean:
    """A figure of one point: mean over users and seeds, and its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> Interval:
        """Both bounds."""
        return self.low, self.high


@dataclass(frozen=True)
class GridPoints:
    """The points of one dataset, policy and generator."""

    file: GridFile
    title: str
    name: str  # for file names
    spec: RunSpec  # of its first cell: what is said of all of them
    outcomes: dict[Point, Outcomes]  # of the completed runs; a point without is a gap
    gaps: dict[Point, str]  # why there is nothing
    points: tuple[Point, ...]  # all, in the file's order
    baselines: dict[str, Outcomes]  # by generator
    methods: Methods  # of `outcomes`, in their order

    def seeds(self, point: Point) -> int:
        """How many runs stand behind a point."""
        return len(self.outcomes[point].specs) if point in self.outcomes else 0

    def place(self, point: Point) -> int:
        """Its number among the methods. Raises ValueError at a gap."""
        return [*self.outcomes].index(point)

    def mean(self, point: Point, figure: str) -> Mean | None:
        """None where there is a gap."""
        if point not in self.outcomes:
            return None
        bounds = self.methods.interval(self.place(point), figure)
        return Mean(self.outcomes[point].mean(figure), *bounds)


def grid_points(file: GridFile, measured: Sequence[Measured]) -> list[GridPoints]:
    """One per dataset, collision policy and generator, in the file's order."""
    found: dict[tuple[str, str, str], list[Measured]] = {}
    for one in measured:
        if one.point is not None:
            key = (one.spec.dataset.name, one.spec.collision_policy, one.spec.generator.name)
            found.setdefault(key, []).append(one)
    baselines = [one for one in measured if one.point is None]
    return [_of_cells(file, cells, baselines) for cells in found.values()]


def _of_cells(
    file: GridFile, cells: Sequence[Measured], baselines: Sequence[Measured]
) -> GridPoints:
    spec = cells[0].spec
    by_point: dict[Point, list[Measured]] = {}
    for cell in cells:
        assert cell.point is not None
        by_point.setdefault(cell.point, []).append(cell)
    done = {
        point: [one.record for one in group if one.record is not None and one.record.outcome]
        for point, group in by_point.items()
    }
    outcomes = {point: Outcomes.of(records) for point, records in done.items() if records}
    words = [spec.dataset.label, spec.protocol, f"profile {spec.profile}"]
    words += [f"encoder {spec.encoder.label}", spec.collision_policy, spec.generator.name]
    return GridPoints(
        file=file,
        title=" · ".join(words),
        name="-".join(
            [spec.dataset.name, spec.profile, spec.collision_policy, spec.generator.name]
        ),
        spec=spec,
        outcomes=outcomes,
        gaps={point: _why(by_point[point]) for point, records in done.items() if not records},
        points=tuple(done),
        baselines=_baselines(spec, baselines),
        methods=Methods([*outcomes.values()]),
    )


def _baselines(spec: RunSpec, cells: Sequence[Measured]) -> dict[str, Outcomes]:
    """Those of the same dataset that have records."""
    found: dict[str, list[Record]] = {}
    for one in cells:
        if one.spec.dataset.name == spec.dataset.name and one.record and one.record.outcome:
            found.setdefault(one.spec.generator.label, []).append(one.record)
    return {name: Outcomes.of(records) for name, records in found.items()}


def _why(cells: Sequence[Measured]) -> str:
    """Why a point has no figure: the first error, or no record at all."""
    errors = [one.record.error for one in cells if one.record is not None and one.record.error]
    return errors[0] if errors else "no record"

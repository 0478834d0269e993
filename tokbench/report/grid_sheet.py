"""The records of a grid file, by the points they stand for: what a figure or a table is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tokbench.report.board import FIGURES, interval, per_user, user_mean
from tokbench.schema.grid_file import GridFile, Point
from tokbench.schema.record import Record
from tokbench.schema.run_spec import RunSpec
from tokbench.stats.run_variance import Training, Values, trained


@dataclass(frozen=True)
class Measured:
    """A cell of the file, the point it stands for (None: a baseline), and its record."""

    point: Point | None
    spec: RunSpec
    record: Record | None


@dataclass(frozen=True)
class Mean:
    """A figure of one point: mean over users and seeds, and its 95 % interval (report/board.py)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class GridSheet:
    """The points of one dataset, policy and generator."""

    file: GridFile
    title: str
    name: str  # for file names
    spec: RunSpec  # of its first cell: what is said of all of them
    outcomes: dict[Point, Values]  # [Q, figures], seeds averaged; a point without is a gap
    runs: dict[Point, list[RunSpec]]  # the completed ones that stand behind it
    gaps: dict[Point, str]  # why there is nothing
    baselines: dict[str, Values]  # generator -> [Q, figures], seeds averaged
    training: Training  # what another run would vary, pooled over the points
    _means: dict[tuple[Point, str], Mean] = field(default_factory=dict)

    @property
    def points(self) -> list[Point]:
        """All, in the file's order."""
        return [*self.runs]

    def mean(self, point: Point, figure: str) -> Mean | None:
        """None where there is a gap."""
        if point not in self.outcomes:
            return None
        if (point, figure) not in self._means:
            outcomes = self.outcomes[point]
            low, high = interval(outcomes, self.runs[point], self.training)
            for i, name in enumerate(FIGURES):
                mean = Mean(float(outcomes[:, i].mean()), float(low[i]), float(high[i]))
                self._means[point, name] = mean
        return self._means[point, figure]


def make_sheets(file: GridFile, measured: Sequence[Measured]) -> list[GridSheet]:
    """One per dataset, collision policy and generator, in the file's order."""
    found: dict[tuple[str, str, str], list[Measured]] = {}
    for one in measured:
        if one.point is not None:
            key = (one.spec.dataset.name, one.spec.collision_policy, one.spec.generator.name)
            found.setdefault(key, []).append(one)
    baselines = [one for one in measured if one.point is None]
    return [_sheet(file, cells, baselines) for cells in found.values()]


def _sheet(file: GridFile, cells: Sequence[Measured], baselines: Sequence[Measured]) -> GridSheet:
    spec = cells[0].spec
    by_point: dict[Point, list[Measured]] = {}
    for cell in cells:
        assert cell.point is not None
        by_point.setdefault(cell.point, []).append(cell)
    done = {
        point: [one.record for one in group if one.record is not None and one.record.outcome]
        for point, group in by_point.items()
    }
    words = [spec.dataset.label, spec.protocol, f"profile {spec.profile}"]
    words += [f"encoder {spec.encoder.label}", spec.collision_policy, spec.generator.name]
    return GridSheet(
        file=file,
        title=" · ".join(words),
        name="-".join(
            [spec.dataset.name, spec.profile, spec.collision_policy, spec.generator.name]
        ),
        spec=spec,
        outcomes={point: user_mean(records) for point, records in done.items() if records},
        runs={point: [record.spec for record in records] for point, records in done.items()},
        gaps={point: _why(by_point[point]) for point, records in done.items() if not records},
        baselines=_baselines(spec, baselines),
        training=Training.pooled(
            np.stack([per_user(record).mean(axis=0) for record in records])
            for records in done.values()
            if records and trained([record.spec for record in records])
        ),
    )


def _baselines(spec: RunSpec, cells: Sequence[Measured]) -> dict[str, Values]:
    """Those of the sheet's dataset that have records, the seeds of a trained one averaged."""
    found: dict[str, list[Record]] = {}
    for one in cells:
        if one.spec.dataset.name == spec.dataset.name and one.record and one.record.outcome:
            found.setdefault(one.spec.generator.label, []).append(one.record)
    return {name: user_mean(records) for name, records in found.items()}


def _why(cells: Sequence[Measured]) -> str:
    """Why a point has no figure: the first error, or no record at all."""
    errors = [one.record.error for one in cells if one.record is not None and one.record.error]
    return errors[0] if errors else "no record"


def stack(outcomes: Sequence[Values], figure: str) -> Values:
    """One figure of several points, [points, Q]."""
    column = FIGURES.index(figure)
    return np.stack([users[:, column] for users in outcomes])

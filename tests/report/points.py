"""Grid points of made-up outcomes, for tests of what is said and drawn of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.components import registry_of
from tests.pipeline.test_grid import tiny_request
from tokbench.pipeline.resolve import resolve
from tokbench.report.grid_points import GridPoints
from tokbench.report.outcomes import COLUMNS, Methods, Outcomes
from tokbench.schema.grid_file import GridFile, Point, points_of
from tokbench.schema.run_spec import RunSpec
from tokbench.stats.estimate import Values

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def made_points(
    content: dict[str, Any],
    outcomes: dict[tuple[Any, ...], Values | str],
    **baselines: Values,
) -> GridPoints:
    """`outcomes`: the values of a point's axes -> [Q] or [S, Q] of each user on every figure, or
    the reason of a gap; points that are not named have no record."""
    content = {"title": "T", "source": {"paper": "P", "place": "Figure 0"}, "run": {}} | content
    file = GridFile.model_validate(content)
    (cell,) = resolve(tiny_request(baselines=False), registry_of())
    found: dict[Point, Outcomes] = {}
    gaps: dict[Point, str] = {}
    points = points_of(file, [str(name) for (name,) in outcomes] if not file.panels else [])
    for point in points:
        given = outcomes.get(tuple(value for _, value in point.at), "no record")
        if isinstance(given, str):
            gaps[point] = given
        else:
            found[point] = made_outcomes(given, cell.spec)
    return GridPoints(
        file=file, title="tiny", name="tiny", spec=cell.spec, outcomes=found, gaps=gaps,
        points=tuple(points),
        baselines={name: made_outcomes(users, cell.spec) for name, users in baselines.items()},
        methods=Methods([*found.values()]),
    )  # fmt: skip


def made_outcomes(users: Values, spec: RunSpec) -> Outcomes:
    """Runs, of seeds 0, 1, ..., in which users have [Q] or [S, Q] on every figure."""
    table = np.atleast_2d(np.asarray(users, dtype=np.float64))
    seeds = [{"tokenizer_seed": n, "generator_seed": n} for n in range(len(table))]
    specs = tuple(spec.model_copy(update=pair) for pair in seeds)
    return Outcomes(dict.fromkeys(COLUMNS, table), specs)


def panel(**more: Any) -> dict[str, Any]:
    """A panel of K."""
    x = {"option": "tokenizer.codes", "symbol": "K", "values": [2, 4, 8]}
    return {"name": "K", "figure": "ndcg@10", "x": x} | more


def claim(**more: Any) -> dict[str, Any]:
    """A claim on it."""
    return {"says": "it rises", "panel": "K", "figures": ["ndcg@10"], "order": [2, 4, 8]} | more

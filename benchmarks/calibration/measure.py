"""How often what was said of simulated boards is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from benchmarks.calibration.boards import Scenario, Values
from benchmarks.calibration.methods import Method


@dataclass(frozen=True)
class Rates:
    """Of one method over boards of one scenario; nan where it makes no claim."""

    coverage: dict[str, float]  # of 95 % intervals, by kind of row
    pairs: dict[str, float]  # share of equal pairs called different at 5 %, by kinds of rows
    family: float  # share of boards with an equal pair told apart
    found: float  # share of different pairs called different at 5 %
    told: float  # share of different pairs told apart on the board


def rates(scenario: Scenario, methods: Sequence[Method], boards: int, seed: int = 0) -> list[Rates]:
    """All methods on the same boards."""
    rng = np.random.default_rng([seed, crc32(scenario.name.encode())])
    rows, truth = scenario.each, scenario.truth
    upper = np.triu_indices(len(rows), 1)
    equal = np.isclose(truth[upper[0]], truth[upper[1]])
    held: list[list[Values]] = [[] for _ in methods]
    alone: list[list[Values]] = [[] for _ in methods]
    family: list[list[Values]] = [[] for _ in methods]
    for _ in range(boards):
        outcomes = scenario.draw(rng)
        for n, method in enumerate(methods):
            said = method(outcomes, rows)
            inside = (said.low <= truth) & (truth <= said.high)
            held[n].append(np.where(np.isnan(said.low), np.nan, inside))
            for store, p in ((alone, said.p[upper]), (family, said.adjusted[upper])):
                store[n].append(np.where(np.isnan(p), np.nan, p < 0.05))
    kinds = [f"{row.family or 'counting'} x{row.runs}" for row in rows]
    both = [" - ".join(sorted((kinds[i], kinds[j]))) for i, j in zip(*upper, strict=True)]
    result = []
    for n in range(len(methods)):
        h, a, f = np.array(held[n]), np.array(alone[n]), np.array(family[n])
        result.append(Rates(
            {kind: _mean(h[:, [k == kind for k in kinds]]) for kind in dict.fromkeys(kinds)},
            {kind: _mean(a[:, [b == kind and e for b, e in zip(both, equal, strict=True)]])
             for kind in dict.fromkeys(both)},
            _any(f[:, equal]), _mean(a[:, ~equal]), _mean(f[:, ~equal]),
        ))  # fmt: skip
    return result


def _mean(values: Values) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _any(values: Values) -> float:
    """The share of boards with any; nan where no board claims anything."""
    known = ~np.isnan(values).all(axis=1)
    return float((values[known] == 1).any(axis=1).mean()) if known.any() else float("nan")

"""Rules for metrics.

Axes: Q queries.
"""

from __future__ import annotations

import numpy as np

from tokbench.api import Score
from tokbench.testing import worlds
from tokbench.testing.subject import Subject
from tokbench.types import Placement, digest

IDS = worlds.codes(96)
EMBEDDINGS = worlds.embeddings(96)
SOME = Placement(
    position=np.array([0, 1, 4, 12, 49, -1]),
    ahead=np.array([0, 1, 6, 14, 60, -1]),
    group=np.array([1, 2, 1, 3, 1, 2]),
)
MISSED = Placement(np.full(3, -1), np.full(3, -1), np.ones(3, np.int64))


def figures_are_named_numbers(subject: Subject) -> str:
    """score returns named figures: floats, or float arrays of a value per query."""
    figures = _score(subject, SOME)
    subject.require(
        isinstance(figures, dict) and bool(figures),
        expected="a dict of figures",
        found=f"{type(figures).__name__}",
        remedy="return {name: float or array [Q]}",
    )
    for name, value in figures.items():
        fits = np.ndim(value) == 0 or np.shape(value) == (len(SOME),)
        subject.require(
            isinstance(name, str) and fits and np.asarray(value).dtype.kind == "f",
            expected=f"a float or floats [{len(SOME)}] under {name!r}",
            found=f"{type(value).__name__} {list(np.shape(value))}",
            remedy="convert with float(...) or .astype(np.float64)",
        )
    return ", ".join(list(figures)[:4])


def figures_are_finite(subject: Subject) -> None:
    """No NaN or infinity, not even where every target was missed."""
    for placement in (SOME, MISSED):
        for name, value in _score(subject, placement).items():
            subject.require(
                bool(np.isfinite(value).all()),
                expected=f"finite values of {name!r}",
                found="NaN or infinity",
                remedy="say what a miss is worth (position is -1), and guard divisions",
            )


def same_input_same_figures(subject: Subject) -> None:
    """Scoring twice gives the same figures."""
    one, two = _score(subject, SOME), _score(subject, SOME)
    changed = one.keys() ^ two.keys()
    changed |= {k for k in one if k in two and not np.array_equal(one[k], two[k], equal_nan=True)}
    subject.require(
        not changed,
        expected="the figures of the first call",
        found=f"{len(changed)} that changed: {', '.join(sorted(changed)[:3])}",
        remedy="a metric is a pure function: take chance out, or fix its seed",
    )


def inputs_unmodified(subject: Subject) -> None:
    """Placement, ids and embeddings are left as they were."""
    before = digest(SOME, IDS, EMBEDDINGS)
    _score(subject, SOME)
    subject.require_unchanged(before, SOME, IDS, EMBEDDINGS)


def _score(subject: Subject, placement: Placement) -> dict[str, Score]:
    found: dict[str, Score] = subject.build().score(placement, IDS, EMBEDDINGS)
    return found

"""Functions whose code tests/registry/test_source.py takes apart."""

from __future__ import annotations

from tokbench.scoring.placement import repeated
from tokbench.scoring.splits import Split

LIMIT = 3


def counted(other: Split) -> int:
    return helper() + LIMIT + len(repr(other))


def helper() -> int:
    return len(repr(repeated))


def other() -> type[Split]:
    return Split

"""An axis of a drawing: from values to pixels, and the round numbers written beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Tick:
    """A round value, where it stands and how it is written."""

    at: float  # pixels
    text: str


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` over the pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[Tick, ...]
    log: bool = False

    def at(self, value: float) -> float:
        """Pixels, to a tenth; values outside stand at the edge."""
        return round(_pixels(value, self.low, self.high, self.start, self.end, self.log), 1)


def linear(
    values: Sequence[float], start: float, end: float, *, zero: bool = False, tight: bool = False
) -> Scale:
    """An axis that holds `values` between round numbers; from 0 where `zero`; ending at the
    highest value where `tight`."""
    low, high = min(values), max(values)
    low = min(0.0, low) if zero else low
    if high - low < 1e-12:
        room = abs(high) or 1.0
        low, high = (low, low + room) if zero else (low - room / 2, high + room / 2)
    step = _round_step((high - low) / 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    low, high = first * step, high if tight else last * step
    digits = max(0, -math.floor(math.log10(step)))
    ticks = tuple(
        Tick(round(_pixels(n * step, low, high, start, end, False), 1), _number(n * step, digits))
        for n in range(first, last + 1)
        if n * step <= high * (1 + 1e-9)
    )
    return Scale(low, high, start, end, ticks)


def logarithmic(values: Sequence[float], start: float, end: float) -> Scale:
    """An axis of powers of ten (with 2 and 5 between where it spans few); values are positive."""
    low, high = min(values) / 1.6, max(values) * 1.6
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    between = (1, 2, 5) if high / low < 1e3 else (1,)
    marks = [(n, e) for e in decades for n in between if low <= n * 10.0**e <= high]
    ticks = tuple(
        Tick(
            round(_pixels(n * 10.0**e, low, high, start, end, True), 1),
            _number(n * 10.0**e, max(0, -e)),
        )
        for n, e in marks
    )
    return Scale(low, high, start, end, ticks, log=True)


def _pixels(value: float, low: float, high: float, start: float, end: float, log: bool) -> float:
    inside = min(max(value, low), high)
    share = math.log(inside / low) / math.log(high / low) if log else (inside - low) / (high - low)
    return start + share * (end - start)


def _round_step(rough: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(n * power for n in (1, 2, 5, 10) if n * power >= rough * (1 - 1e-9))


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"

"""What every speed measurement shares: interleaved rounds, one row of the table, the hardware.

Machines are noisy, so nothing here is compared across processes: ours and theirs run in turns in
one process, and the ratio of a round is the unit. A row shows the median ratio and its range.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

Work = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One line of the table: `ratio` is how many times faster ours is, or the share of a limit."""

    work: str  # what is done, with its size
    against: str  # the peer, with its version, or the limit
    unit: str  # of ours and theirs, such as "steps/s"
    ours: float
    theirs: float
    ratio: float
    low: float  # smallest and largest ratio of the rounds
    high: float
    floor: float | None = None  # must hold
    aim: float | None = None  # what to try for
    note: str = ""

    @property
    def holds(self) -> bool:
        """Is the floor reached?"""
        return self.floor is None or self.ratio >= self.floor


def seconds(work: Work) -> float:
    """Wall-clock seconds of one call, the device's queue emptied before and after."""
    synchronize()
    start = time.perf_counter()
    work()
    synchronize()
    return time.perf_counter() - start


def synchronize() -> None:
    """Wait for a GPU, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def interleaved(ours: Work, theirs: Work, *, rounds: int = 5) -> list[tuple[float, float]]:
    """(seconds of ours, seconds of theirs) of each round, after one unmeasured round; the order
    within a round alternates."""
    ours(), theirs()
    pairs = []
    for turn in range(rounds):
        if turn % 2:
            other = seconds(theirs)
            pairs.append((seconds(ours), other))
        else:
            pairs.append((seconds(ours), seconds(theirs)))
    return pairs


def compare(
    work: str,
    against: str,
    pairs: list[tuple[float, float]],
    *,
    amount: float,
    their_amount: float | None = None,
    unit: str,
    floor: float | None = None,
    aim: float | None = None,
    note: str = "",
) -> Row:
    """A row in units of `amount` per second (of theirs `their_amount`, if they did another)."""
    theirs = amount if their_amount is None else their_amount
    rates = [(amount / mine, theirs / other) for mine, other in pairs]
    ratios = [mine / other for mine, other in rates]
    return Row(
        work,
        against,
        unit,
        statistics.median(mine for mine, _ in rates),
        statistics.median(other for _, other in rates),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        floor,
        aim,
        note,
    )


def peak_flops(size: int = 1024, rounds: int = 20) -> float:
    """FLOP/s of a square float32 product of this size with torch's threads: the practical roof."""
    a = torch.randn(size, size)
    a @ a
    return 2.0 * size**3 / min(seconds(lambda: a @ a) for _ in range(rounds))


def hardware() -> dict[str, str]:
    """What the table was measured on."""
    found = {
        "processor": _processor(),
        "threads": str(torch.get_num_threads()),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model na")]
        return f"{names[0]} ({len(names)} logical cores)"
    except (OSError, IndexError):
        return platform.processor() or platform.machine()

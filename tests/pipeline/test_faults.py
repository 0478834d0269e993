"""A sample of benchmarks/reliability: kills, failing disks, no locks, spoilt records."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmarks.reliability import faults, records

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("part", faults.PARTS)
def test_a_grid_that_was_disturbed_comes_out_the_same(tmp_path: Path, part: str) -> None:
    tried, found = faults.measure(tmp_path, part, every=25)
    assert tried > 3
    assert found == []


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_writers_without_locks_do_not_harm_each_other(tmp_path: Path) -> None:
    _, found = faults.without_locks(tmp_path, rounds=3)
    assert found == []


@pytest.mark.skipif(sys.platform == "win32", reason="alarms")
def test_spoilt_records_end_no_command_in_a_traceback(tmp_path: Path) -> None:
    calls, found = records.fuzz(tmp_path, number=2, seed=17)
    assert calls > 20
    assert found == []

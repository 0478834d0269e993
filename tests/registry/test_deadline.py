"""A plugin that hangs while it loads is given up, and the alarm that was set before still rings."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tokbench.registry.deadline import DeadlineError, deadline
from tokbench.registry.registry import build_registry

HANGS = {
    "sleeps": "import time\ntime.sleep(60)\n",
    "loops": "while True:\n    pass\n",
    "swallows": "import time\ntry:\n    time.sleep(60)\nexcept Exception:\n    pass\n",
    "in a hook": (
        "import tokbench\n@tokbench.hookimpl\ndef register_tokenizers():\n    while True: pass\n"
    ),
}


@pytest.mark.parametrize("source", HANGS.values(), ids=HANGS.keys())
def test_a_plugin_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setenv("TOKBENCH_PLUGIN_SECONDS", "0.2")
    (tmp_path / "hangs.py").write_text(source)
    started = time.monotonic()
    registry = build_registry([tmp_path / "hangs.py"], entry_points=False)
    assert time.monotonic() - started < 30
    (failure,) = registry.failures
    assert "took longer than 0.2 s" in failure.reason
    assert "hangs.py:" in failure.reason, "it says where it hung"
    assert "cost" in registry.names("tokenizer")


def test_an_earlier_alarm_keeps_its_time() -> None:
    rung: list[int] = []
    earlier = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    before = signal.setitimer(signal.ITIMER_REAL, 100.0)
    try:
        with deadline(5, "nothing"):
            assert signal.getitimer(signal.ITIMER_REAL)[0] <= 5
        assert 90 < signal.getitimer(signal.ITIMER_REAL)[0] <= 100
        with pytest.raises(DeadlineError), deadline(0.05, "sleeping"):
            time.sleep(10)
        signal.raise_signal(signal.SIGALRM)
        assert rung == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, earlier)
        signal.setitimer(signal.ITIMER_REAL, *before)


def test_no_limit_is_no_alarm() -> None:
    before = signal.getitimer(signal.ITIMER_REAL)[0]
    with deadline(0, "nothing"):
        assert abs(signal.getitimer(signal.ITIMER_REAL)[0] - before) < 60

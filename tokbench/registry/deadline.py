"""A limit on how long a stranger's code may take to load.

The alarm of the operating system interrupts Python code wherever it is: in a loop, asleep, or
waiting for a socket. It does not interrupt C code that never returns to the interpreter, it exists
on Unix only, and only the main thread can set it; elsewhere there is no limit.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class DeadlineError(BaseException):
    """Time is up. No Exception: code that catches everything it can name must not swallow it."""


@contextmanager
def deadline(seconds: float, what: str) -> Iterator[None]:
    """Raises DeadlineError inside the block when it takes longer; 0 means no limit.

    An alarm that was set before (a test runner's, say) is put back with the time it had left.
    """
    if not (
        seconds > 0
        and hasattr(signal, "setitimer")
        and threading.current_thread() is threading.main_thread()
    ):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        at = f", in {frame.f_code.co_filename}:{frame.f_lineno}" if frame else ""
        raise DeadlineError(f"{what} took longer than {seconds:g} s{at}")

    earlier = signal.signal(signal.SIGALRM, stop)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again, if swallowed
    started = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
        if left:
            passed = time.monotonic() - started
            signal.setitimer(signal.ITIMER_REAL, max(left - passed, 0.001), interval)

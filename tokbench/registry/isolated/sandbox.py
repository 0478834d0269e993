"""What a process with third-party code may do to the rest of the system.

On Linux with Landlock (kernel 5.13 and later): it reads all that the user may read, and writes in
the folders it is given only; from kernel 6.12 on it cannot signal processes that are not its own.
It cannot take this back, nor can what it starts. Elsewhere nothing is enforced: `enforced` is then
False, and docs/trust.md says what remains.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# linux/landlock.h: the rights to write a file, to remove and to make entries, to link and rename
# across folders (ABI 2), to truncate (ABI 3). Reading and executing are not restricted.
_WRITE, _REMOVE, _MAKE = 1 << 1, (1 << 4) | (1 << 5), sum(1 << bit for bit in range(6, 13))
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_OF_FILES = _WRITE | _TRUNCATE
_SIGNALS = 1 << 1  # scope (ABI 6)
_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # system call numbers, alike on every architecture
_NO_NEW_PRIVILEGES, _SUBREAPER, _DEATH_SIGNAL = 38, 36, 1  # linux/prctl.h


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The Landlock interface of this system; 0 where there is none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, int(_library().syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def confine(writable: Iterable[Path]) -> bool:
    """Let this process write below `writable` and to devices only, for good; True where the system
    enforces it. Folders that are not there are left out."""
    abi = version()
    if not abi:
        return False
    library = _library()
    rights = _WRITE | _REMOVE | _MAKE
    rights |= (_REFER if abi >= 2 else 0) | (_TRUNCATE if abi >= 3 else 0)
    rules = _Ruleset(rights, 0, _SIGNALS if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8  # the structure grew with the interface
    ruleset = library.syscall(_CREATE, ctypes.byref(rules), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    for path in (*writable, Path("/dev")):  # /dev: null, shared memory, graphics processors
        with suppress(OSError):
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
            allowed = rights if path.is_dir() else rights & _OF_FILES
            beneath = _Beneath(allowed, folder)
            library.syscall(_ADD_RULE, ruleset, 1, ctypes.byref(beneath), 0)
            os.close(folder)
    library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    done = bool(library.syscall(_RESTRICT, ruleset, 0) == 0)
    os.close(ruleset)
    return done


def adopt_orphans() -> None:
    """Descendants whose parents end become children of this process, and can be ended by it."""
    if sys.platform.startswith("linux"):
        _library().prctl(_SUBREAPER, 1, 0, 0, 0)


def end_with_parent() -> None:
    """Be killed when the parent process ends, whatever ends it; first in line too, when the
    system's memory runs out."""
    if sys.platform.startswith("linux"):
        _library().prctl(_DEATH_SIGNAL, 9, 0, 0, 0)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)

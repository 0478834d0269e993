"""The machine and the versions a run was made with, for its record."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path


def peak_memory_mb() -> float:
    """The process's highest resident memory so far, in MB; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)


def use_threads(threads: int) -> None:
    """Let torch, BLAS and OpenMP use so many threads in this process from now on."""
    import threadpoolctl  # type: ignore[import-untyped]
    import torch

    os.environ["OMP_NUM_THREADS"] = str(threads)  # libraries that are loaded later
    torch.set_num_threads(threads)
    threadpoolctl.threadpool_limits(limits=threads)


@contextmanager
def threads_of(count: int) -> Iterator[None]:
    """`use_threads` for a while."""
    import threadpoolctl
    import torch

    before, said = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    with threadpoolctl.threadpool_limits():  # restores what BLAS and OpenMP had
        use_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)
            if said is None:
                del os.environ["OMP_NUM_THREADS"]
            else:
                os.environ["OMP_NUM_THREADS"] = said


def describe(device: str) -> dict[str, str]:
    """Versions and hardware, for the record."""
    import torch

    packages = ("tokbench", "torch", "numpy", "scikit-learn", "transformers")
    versions = {name: metadata.version(name) for name in packages}
    where = torch.cuda.get_device_name(device) if device.startswith("cuda") else _processor()
    return {
        "python": platform.python_version(),
        **versions,
        "system": f"{platform.system()} {platform.machine()}",
        "device": where,
        "threads": str(torch.get_num_threads()),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"

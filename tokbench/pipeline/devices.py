"""Where tensors are computed: which device a name means, its memory, its loss."""

from __future__ import annotations

from tokbench.api import Precision
from tokbench.errors import ConfigError

ALLOWED = "allowed are auto, cpu, cuda and cuda:0, cuda:1, ..."


def find_device(name: str) -> str:
    """The torch device that a name means; `auto` is a GPU where there is one.

    Raises ConfigError for what tokbench does not compute on, and for a card that is not there.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, colon, index = name.partition(":")
    if kind == "mps":
        raise ConfigError(
            f"device {name!r} cannot be used: Apple's GPUs have no float64, which likelihoods and "
            f"losses are summed in; {ALLOWED}"
        )
    if name == "cpu":
        return name
    if kind != "cuda" or (colon and not index.isdecimal()):
        raise ConfigError(f"device {name!r} is not known; {ALLOWED}")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(index or 0) >= count:
        there = f"torch {torch.__version__} sees {count} CUDA devices here"
        raise ConfigError(f"device {name!r} cannot be used: {there}; {ALLOWED}")
    return name


def find_precision(name: str, device: str) -> Precision:
    """The precision that a name means on a device: `auto` is bfloat16 on a GPU, else float32."""
    if name == "auto":
        return "bfloat16" if device.startswith("cuda") else "float32"
    return "bfloat16" if name == "bfloat16" else "float32"


def check_precision(precision: Precision, device: str) -> None:
    """Raises ConfigError for bfloat16 on a CPU, where nothing is computed so."""
    if precision == "bfloat16" and not device.startswith("cuda"):
        raise ConfigError(
            f"precision bfloat16 is computed on a GPU, not on {device!r} "
            "(allowed there: auto, float32)"
        )


def cards(device: str) -> list[str]:
    """What processes may be spread over: every card for `cuda`, else the device itself."""
    if device != "cuda":
        return [device]
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def share_card(device: str, processes: int) -> None:
    """Let this process have its part of a card that so many processes work on: less than all of
    it, as each also holds a CUDA context that torch does not count."""
    if device.startswith("cuda") and processes > 1:
        import torch

        torch.cuda.set_per_process_memory_fraction(0.9 / processes, device)


def forget_device_peak(device: str) -> None:
    """Start to look for a new peak of the device's memory."""
    if device.startswith("cuda"):
        import torch

        # A device that nobody has used yet has no statistics to reset.
        torch.cuda.init()  # type: ignore[no-untyped-call]
        torch.cuda.reset_peak_memory_stats(device)


def device_peak_mb(device: str) -> float | None:
    """The most memory that tensors held on the device since `forget_device_peak`, in MB; None for
    the CPU, whose memory is the process's."""
    if not device.startswith("cuda"):
        return None
    import torch

    return round(torch.cuda.max_memory_allocated(device) / 1e6, 1)


def is_lost(error: BaseException) -> bool:
    """Did a kernel fail in a way after which this process can use no GPU any more? Such an error
    (an illegal access, a failed assertion) comes back at every later call."""
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        return False
    return isinstance(error, RuntimeError) and "CUDA error" in str(error)

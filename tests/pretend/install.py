"""Makes the pretend GPU this process's accelerator: `python -m pytest -p tests.pretend.install
tests/pretend`.

torch.cuda is patched for the whole process, which is why these tests have one of their own.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch

from tests.pretend import graphs
from tests.pretend.device import NAME, STATE, Pretend, upload, wait


class _Module:
    """`torch.pretend`."""

    @staticmethod
    def is_available() -> bool:
        return True

    @staticmethod
    def device_count() -> int:
        return 1  # all that autograd of a Python backend knows

    @staticmethod
    def current_device() -> int:
        return STATE.current

    @staticmethod
    def _is_in_bad_fork() -> bool:
        return False

    @staticmethod
    def manual_seed_all(seed: int) -> None:
        """The CPU's generator draws, and is seeded by itself."""

    @staticmethod
    def get_rng_state(device: Any = None) -> torch.Tensor:
        return torch.get_rng_state()

    @staticmethod
    def set_rng_state(state: torch.Tensor, device: Any = None) -> None:
        torch.set_rng_state(state)

    @staticmethod
    def get_amp_supported_dtype() -> list[torch.dtype]:
        return [torch.bfloat16]


def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: Any = None,
) -> Pretend:  # fmt: skip
    return Pretend(torch.empty_strided(size, stride, dtype=dtype), card_of(device))


def empty(
    size: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: Any = None, memory_format: Any = None,
) -> Pretend:  # fmt: skip
    return Pretend(torch.empty(size, dtype=dtype), card_of(device))


def card_of(device: Any) -> int:
    index = None if device is None else torch.device(device).index
    return STATE.current if index is None else index


def copy_from(source: Any, target: Any, non_blocking: bool = False) -> Any:
    if isinstance(target, Pretend) and not isinstance(source, Pretend) and source.dim():
        upload(pinned=False)
    if not isinstance(target, Pretend):
        wait("copy to the host")
    into = target.inner if isinstance(target, Pretend) else target
    into.copy_(source.inner if isinstance(source, Pretend) else source)
    return target


def pin_memory(self: torch.Tensor, *_: Any) -> torch.Tensor:
    pinned: Any = self.view_as(self)
    pinned._pretend_pinned = True
    return pinned  # type: ignore[no-any-return]


def install() -> Any:
    """Register the backend and patch torch.cuda; the registrations live as long as the result."""
    replaced: Any = torch
    replaced.inference_mode = torch.no_grad  # a wrapper has no version counter of its own
    from torch.utils import backend_registration

    backend_registration._setup_privateuseone_for_python_backend(NAME, _Module())
    make: Any = torch.library.Library
    library = make("aten", "IMPL")
    library.impl("empty_strided", empty_strided, "PrivateUse1")
    library.impl("empty.memory_format", empty, "PrivateUse1")
    library.impl("_copy_from", copy_from, "PrivateUse1")
    cuda: Any = torch.cuda
    cuda.CUDAGraph, cuda.graph, cuda.Stream = graphs.Graph, graphs.graph, graphs.Stream
    cuda.device = graphs.current_card
    cuda.current_stream = lambda *_: graphs.Stream()
    cuda.stream = lambda _: nullcontext()
    cuda.graph_pool_handle = lambda: (0, 0)
    cuda.set_sync_debug_mode = lambda mode: setattr(
        STATE, "sync_mode", {"error": 2, "default": 0}.get(mode, mode)
    )
    cuda.get_sync_debug_mode = lambda: STATE.sync_mode
    tensor: Any = torch.Tensor
    tensor.pin_memory = pin_memory
    autocast: Any = torch.autocast

    def at_full_precision(kind: str, **options: Any) -> Any:
        return nullcontext() if kind == "cuda" else autocast(kind, **options)

    replaced.autocast = at_full_precision
    from tokbench.nn import devices

    devices.CUDA.add(NAME)
    return library


LIBRARY = install() if hasattr(
    torch.utils.backend_registration, "_setup_privateuseone_for_python_backend"
) else None  # fmt: skip

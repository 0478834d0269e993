"""Threads that share numpy work so that the result is the same at any number of them.

A BLAS that splits one product over threads may add in another order at another thread count. Here
the caller cuts the work into parts of a fixed size, each part is computed by one thread with a
one-thread BLAS, and results come back in the order of the parts. numpy and scipy release Python's
lock inside, so the parts do run side by side.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Protocol, TypeVar

import torch
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

Part = TypeVar("Part")
Result = TypeVar("Result")

_here = threading.local()


class OrderedMap(Protocol):
    """Applies `work` to every part; results in the order of the parts."""

    def __call__(
        self, work: Callable[[Part], Result], parts: Iterable[Part], /
    ) -> Iterator[Result]:
        """Results, in order."""
        ...


@contextmanager
def threads() -> Iterator[OrderedMap]:
    """A map over torch's number of threads (which OMP_NUM_THREADS and torch.set_num_threads set).

    Inside a part, `threads()` is the plain map: the outermost loop has the threads.
    """
    if getattr(_here, "inside", False):
        yield map
        return
    with (
        _blas().limit(limits=1, user_api="blas"),
        ThreadPoolExecutor(torch.get_num_threads(), initializer=_enter) as pool,
    ):
        yield pool.map


def _enter() -> None:
    _here.inside = True


@cache
def _blas() -> ThreadpoolController:
    """Looked up once: the search through the process's libraries takes milliseconds."""
    return ThreadpoolController()

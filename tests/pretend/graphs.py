"""CUDA graphs of the pretend GPU: a tape of operations, run again into the same memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._pytree import tree_flatten

from tests.pretend.device import FREE, STATE, PretendError


class Tape:
    """What a graph records on one card. Recording runs nothing: what it wrote is taken back."""

    def __init__(self, card: int) -> None:
        self.card = card
        self.steps: list[tuple[Any, Any, Any, list[torch.Tensor], bool]] = []
        self.kept: dict[int, tuple[torch.Tensor, Any]] = {}  # memory from before, as it was
        self.own: set[int] = set()  # memory that the graph allocates itself
        self.kernels = 0

    def before(
        self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], written: Sequence[int]
    ) -> None:
        """Keep what the operation is about to overwrite."""
        for at in written:
            name = func._schema.arguments[at].name
            value = args[at] if at < len(args) else kwargs.get(name)
            for tensor in tensors(value):
                storage: Any = tensor.untyped_storage()
                if storage.data_ptr() not in self.own | self.kept.keys():
                    self.kept[storage.data_ptr()] = tensor, storage.clone()

    def after(
        self, func: Any, args: Any, kwargs: Any, found: Any, *, view: bool, written: bool
    ) -> None:
        """Note the operation."""
        if view:
            return
        results = [] if written else tensors(found)
        self.own |= {each.untyped_storage().data_ptr() for each in results}
        self.kernels += func not in FREE
        self.steps.append((func, args, kwargs, results, written))

    def end(self) -> None:
        """Take back what was written while recording."""
        for tensor, saved in self.kept.values():
            tensor.untyped_storage().copy_(saved)

    def replay(self) -> None:
        """Run every operation again."""
        with torch.no_grad(), torch._C._DisableTorchDispatch():
            for func, args, kwargs, results, written in self.steps:
                found = func(*args, **kwargs)
                if not written:
                    for result, new in zip(results, tensors(found), strict=True):
                        if new.numel() and result.data_ptr() != new.data_ptr():
                            result.copy_(new)


def tensors(value: Any) -> list[torch.Tensor]:
    """The tensors anywhere inside."""
    return [each for each in tree_flatten(value)[0] if isinstance(each, torch.Tensor)]


class Graph:
    """Stands for torch.cuda.CUDAGraph."""

    tape: Tape

    def replay(self) -> None:
        """One launch from the host."""
        STATE.replays += 1
        STATE.replayed += self.tape.kernels
        self.tape.replay()


@contextmanager
def graph(into: Graph, pool: Any = None, stream: Any = None, **_: Any) -> Iterator[None]:
    """Stands for torch.cuda.graph: records on the current card, as the real one does."""
    if STATE.recording is not None:
        raise PretendError("a graph is captured inside another")
    launches, uploads = STATE.launches.copy(), STATE.uploads.copy()
    STATE.recording = tape = Tape(STATE.current)
    try:
        yield
    finally:
        STATE.recording, into.tape = None, tape
        tape.end()
        STATE.launches, STATE.uploads = launches, uploads
        STATE.captures += 1
    if not tape.kernels:
        warnings.warn("The CUDA Graph is empty: captured on the wrong device or stream",
                      UserWarning, stacklevel=3)  # fmt: skip


class Stream:
    """Stands for torch.cuda.Stream: the pretend device does everything in order."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.device = STATE.current

    def wait_stream(self, other: Stream) -> None:
        """There is nothing to wait for."""


@contextmanager
def current_card(device: Any) -> Iterator[None]:
    """Stands for torch.cuda.device."""
    before = STATE.current
    index = device if isinstance(device, int) else torch.device(device).index
    STATE.current = before if index is None else index
    try:
        yield
    finally:
        STATE.current = before

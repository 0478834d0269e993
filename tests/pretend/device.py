"""A pretend GPU on a CPU build of torch: tensors that compute on the CPU and obey a GPU's rules.

Every operation on a `Pretend` tensor passes `run`. It refuses what a GPU refuses (tensors of two
devices in one operation, a host that waits while a graph is captured) and counts what costs time
there: launches of kernels, waits of the host, uploads. What is counted is the program's, so figures
are the same on every machine. Needs the Python backend for PrivateUse1 (torch 2.13 has it).
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

NAME = "pretend"
HERE = Path(__file__).parent
aten: Any = torch.ops.aten


class PretendError(RuntimeError):
    """What a real device would have refused."""


@dataclass
class State:
    """What the device has counted, and what it is at."""

    launches: Counter[str] = field(default_factory=Counter)  # by operation
    waits: Counter[str] = field(default_factory=Counter)  # by line of code and reason
    uploads: Counter[str] = field(default_factory=Counter)  # by line of code, and how
    replays: int = 0  # of graphs, each one launch from the host
    replayed: int = 0  # kernels inside of those
    captures: int = 0
    recording: Any = None  # the Tape of the graph under capture
    current: int = 0  # card
    sync_mode: int = 0  # of torch.cuda.set_sync_debug_mode: 2 makes a wait an error

    def forget(self) -> None:
        """Count from zero."""
        self.launches, self.waits, self.uploads = Counter(), Counter(), Counter()
        self.replays = self.replayed = self.captures = 0

    @property
    def from_host(self) -> int:
        """Launches that the host had to make: kernels, and graphs."""
        return sum(self.launches.values()) + self.replays


STATE = State()


class Pretend(torch.Tensor):
    """A tensor of a card; `inner` holds its numbers, on the CPU."""

    inner: Any  # (`Tensor.inner` is a method)
    card: int
    is_cuda = True  # type: ignore[assignment, unused-ignore]

    @staticmethod
    def __new__(cls, inner: torch.Tensor, card: int) -> Pretend:
        made: Any = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            dtype=inner.dtype,
            storage_offset=inner.storage_offset(),
            device=torch.device(NAME, card),
            requires_grad=False,
        )
        made.inner, made.card = inner, card
        return made  # type: ignore[no-any-return]

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"Pretend({self.inner!r}, card={self.card})"

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return run(func, args, kwargs or {})


class _Mode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Factories on the device are seen too."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


@contextmanager
def counting() -> Iterator[State]:
    """Inside, everything on the device is counted, from zero."""
    STATE.forget()
    mode: Any = _Mode
    with mode():
        yield STATE


# The host must know a number that is on the device.
WAITING = {
    aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default,
    aten._unique2.default, aten.bincount.default, aten.repeat_interleave.Tensor,
    aten.equal.default,
}  # fmt: skip
UNSEEN = {aten.unique_dim.default}  # waits inside a library: set_sync_debug_mode does not notice
INDEXING = {
    aten.index.Tensor, aten.index_put_.default, aten.index_put.default,
    aten._index_put_impl_.default,
}  # fmt: skip
MIXING = {aten.copy_.default, aten._to_copy.default, *INDEXING}  # may read another device
# Views and allocations launch nothing.
FREE = {
    aten.detach.default, aten._unsafe_view.default, aten.empty.memory_format,
    aten.empty_like.default, aten.new_empty.default, aten.empty_strided.default,
    aten.new_empty_strided.default, aten._reshape_alias.default, aten.resize_.default,
}  # fmt: skip


def run(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The operation's result, computed on the CPU, once a GPU would have done it."""
    flat, _ = tree_flatten((args, kwargs))
    mine = [each for each in flat if isinstance(each, Pretend)]
    asked = kwargs.get("device")
    wanted = None if asked is None else torch.device(asked)
    inward = wanted is not None and wanted.type == NAME
    if not mine and not inward:
        return func(*args, **kwargs)
    card = mine[0].card if mine else STATE.current
    if inward and wanted is not None and wanted.index is not None:
        card = wanted.index
    refuse_mixing(func, flat, mine)
    count_waits(func, args, kwargs, inward=inward, outward=wanted is not None and not inward)
    plain_args, plain = tree_map(inner, tuple(args)), tree_map(inner, dict(kwargs))
    if inward:
        plain["device"] = torch.device("cpu")
        plain.pop("pin_memory", None)
    view = any(each.alias_info and not each.alias_info.is_write for each in func._schema.returns)
    written = [n for n, each in enumerate(func._schema.arguments)
               if each.alias_info and each.alias_info.is_write]  # fmt: skip
    tape = STATE.recording if STATE.recording is not None and STATE.recording.card == card else None
    if tape is not None:
        tape.before(func, plain_args, plain, written)
    with torch._C._DisableTorchDispatch():
        found = func(*plain_args, **plain)
        if func is aten._to_copy.default and inward and found is plain_args[0]:
            found = found.clone()
    here = inward or (wanted is None and bool(mine)) or (wanted is not None and wanted.type == NAME)
    if here and not view and func not in FREE:
        STATE.launches[str(func)] += 1
    if tape is not None:
        tape.after(func, plain_args, plain, found, view=view, written=bool(written))
    if not here:
        return found
    if written and len(func._schema.returns) == 1:
        name = func._schema.arguments[written[0]].name
        first = args[written[0]] if written[0] < len(args) else kwargs[name]
        if isinstance(first, Pretend):
            return first
    return tree_map(lambda each: Pretend(each, card) if isinstance(each, torch.Tensor) else each,
                    found)  # fmt: skip


def inner(value: Any) -> Any:
    """What the CPU computes with."""
    return value.inner if isinstance(value, Pretend) else value


def refuse_mixing(func: Any, flat: Sequence[Any], mine: Sequence[Pretend]) -> None:
    """Raise where tensors of two devices meet; a single number of the host may meet any tensor."""
    if not mine or func in MIXING:
        return
    if len({each.card for each in mine}) > 1:
        raise PretendError(f"Expected all tensors on the same device: {func} at {site()}")
    host = [e for e in flat if isinstance(e, torch.Tensor) and not isinstance(e, Pretend)]
    pointwise = torch.Tag.pointwise in func.tags
    if any(each.dim() > 0 for each in host) or (host and not pointwise):
        raise PretendError(
            f"Expected all tensors to be on the same device, but found {NAME} and cpu: {func} at "
            f"{site()}"
        )


def count_waits(
    func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], *, inward: bool, outward: bool
) -> None:
    """Count where the host waits, and what it uploads."""
    if func in WAITING:
        wait(str(func))
    elif func in UNSEEN:
        wait(str(func), noticed=False)
    elif func in INDEXING:
        indices = [each for each in args[1] if each is not None]
        masks = any(each.dtype in (torch.bool, torch.uint8) for each in indices)
        if masks and (func is aten.index.Tensor or args[2].dim() > 0):
            wait(f"{func} by a mask")
        if any(not isinstance(each, Pretend) for each in indices):
            wait(f"{func} with indices of the host")
    elif func is aten._to_copy.default:
        if inward and not isinstance(args[0], Pretend):
            pinned = getattr(args[0], "_pretend_pinned", False) and kwargs.get("non_blocking")
            upload(pinned=bool(pinned))
        elif outward:
            wait("download")
    elif func is aten.copy_.default:
        if not isinstance(args[0], Pretend):
            wait("copy_ to the host")
        elif not isinstance(args[1], Pretend) and args[1].dim() > 0:
            pinned = getattr(args[1], "_pretend_pinned", False) and len(args) > 2 and args[2]
            upload(pinned=bool(pinned))


def upload(*, pinned: bool) -> None:
    """Count a copy from the host; one from memory that is not pinned makes the host wait."""
    if STATE.recording is not None:
        raise PretendError(f"operation not permitted when stream is capturing: upload at {site()}")
    STATE.uploads[f"{site()} {'async' if pinned else 'blocking'}"] += 1
    if not pinned and STATE.sync_mode == 2:
        raise RuntimeError("called a synchronizing CUDA operation")


def wait(why: str, *, noticed: bool = True) -> None:
    """The host waits for the device."""
    if STATE.recording is not None:
        raise PretendError(f"operation not permitted when stream is capturing: {why} at {site()}")
    if noticed and STATE.sync_mode == 2:
        raise RuntimeError("called a synchronizing CUDA operation")
    STATE.waits[f"{site()} {why}"] += 1


def site() -> str:
    """The line of ours that the current operation comes from."""
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        ours = "tokbench" in frame.filename or "benchmarks" in frame.filename
        if ours and path.parent != HERE:
            return f"{path.name}:{frame.lineno}"
    return "autograd or optimizer"

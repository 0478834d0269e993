"""What keeps a GPU busy: copies that nobody waits for, and products on its tensor cores.

A GPU works through a queue that the host fills. Whatever the host reads back from it (a loss, a
count, the size of a selection) empties the queue, so training and search read nothing until they
must. On a CPU none of this changes a bit of any result.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from tokbench.api import Precision
from tokbench.types import Ints

CUDA = {"cuda"}  # device types that work as CUDA does; the tests add a pretend one


def on_cuda(device: str | torch.device) -> bool:
    """Is this a CUDA device?"""
    return torch.device(device).type in CUDA


def sent(array: NDArray[Any], device: str | torch.device) -> Tensor:
    """`array` on the device. To a GPU it goes from pinned memory, which the host need not await."""
    tensor = torch.from_numpy(array)
    if not on_cuda(device):
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def resident(array: NDArray[Any], device: str | torch.device) -> Tensor:
    """The whole array on the device; on the CPU the array's own memory, not to be written to.

    So a memory-mapped table is trained on from its file, without a copy.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writ", UserWarning)
        return torch.from_numpy(array).to(device)


def tokens_at_once(budgets: Mapping[str, int], vocabulary: int, device: str | torch.device) -> int:
    """Tokens of a micro-batch: `budgets` has those of "cpu" and of "cuda". On a GPU fewer where
    their scores, one for each of the vocabulary, would not fit."""
    if not on_cuda(device):
        return budgets["cpu"]
    return max(1, min(budgets["cuda"], LOGITS // vocabulary))


LOGITS = 2**28  # numbers in a matrix of scores: 1 GiB, of which a training step has some five


def in_halves(work: Callable[[Ints], None], rows: Ints) -> None:
    """Do `work(rows)`; where a GPU's memory does not suffice, half of the rows and then the rest.

    Raises torch.OutOfMemoryError where one row is too much.
    """
    try:
        work(rows)
        return
    except torch.OutOfMemoryError:
        if len(rows) == 1:
            raise
    torch.cuda.empty_cache()  # outside of the handler, which keeps the failed attempt alive
    for half in np.array_split(rows, 2):
        in_halves(work, half)


def bias_learning_attention(device: str | torch.device) -> AbstractContextManager[None]:
    """Only those fused attention kernels of a GPU that give the bias a gradient (cuDNN's does not);
    the plain products where none of them fits."""
    if not on_cuda(device):
        return nullcontext()
    kernels = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    chosen: AbstractContextManager[None] = sdpa_kernel(kernels)
    return chosen


@contextmanager
def seeded(seed: int, device: str | torch.device) -> Iterator[None]:
    """Torch's global generators at `seed`, and afterwards as they were found."""
    where = torch.device(device)
    devices = [where] if on_cuda(where) else []
    with torch.random.fork_rng(devices, device_type=where.type if devices else "cuda"):
        torch.manual_seed(seed)
        yield


@contextmanager
def tensor_cores(device: str | torch.device, precision: Precision) -> Iterator[None]:
    """With bfloat16, float32 products in TF32 on a GPU: some eight times as fast, with 10 bits of
    mantissa."""
    before, changed = torch.get_float32_matmul_precision(), on_cuda(device) and precision != FULL
    if changed:
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        if changed:
            torch.set_float32_matmul_precision(before)


FULL: Precision = "float32"


def products_in(device: str | torch.device, precision: Precision) -> AbstractContextManager[None]:
    """A network's products in bfloat16 where that is asked for, on a GPU."""
    if precision == FULL or not on_cuda(device):
        return nullcontext()
    chosen: AbstractContextManager[None] = torch.autocast("cuda", dtype=torch.bfloat16)
    return chosen

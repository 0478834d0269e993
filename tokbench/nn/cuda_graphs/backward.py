"""A micro-batch's forward and backward pass as one launch: a CUDA graph for each shape of one.

At the paper's size a pass is some 700 kernels of a few microseconds each, and launching them one by
one takes longer than running them. A graph is recorded once for a shape and then replayed on new
contents, so micro-batches come in few shapes (`Collator.grid`). Dropout draws anew in every replay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

Micro = TypeVar("Micro")  # a dataclass, tensors among its fields
MOST = 64  # graphs; micro-batches of still other shapes run unrecorded


@dataclass(frozen=True)
class Recorded(Generic[Micro]):
    """A graph, the micro-batch it reads, and the loss it writes."""

    graph: torch.cuda.CUDAGraph
    micro: Micro
    loss: Tensor


class GraphedBackward(Generic[Micro]):
    """Adds a micro-batch's gradient to the weights' and returns its loss, by replaying a graph.

    `plain` is the pass itself, forward and back. The weights and their gradients must stay where
    they are in memory: updated in place, and never set to None.
    """

    def __init__(self, weights: list[Tensor], plain: Callable[[Micro], Tensor]) -> None:
        self.weights, self.plain = weights, plain
        self.recorded: dict[tuple[object, ...], Recorded[Micro]] = {}
        self.pool = torch.cuda.graph_pool_handle()
        for weight in weights:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)

    def __call__(self, micro: Micro) -> Tensor:
        """The summed loss; a scalar that the next replay overwrites."""
        key = shape_of(micro)
        with torch.cuda.device(self.weights[0].device):
            if key not in self.recorded:
                if len(self.recorded) == MOST:
                    return self.plain(micro)
                self.recorded[key] = self.record(micro)
            known = self.recorded[key]
            values = tensors(micro)
            for name, buffer in tensors(known.micro).items():
                buffer.copy_(values[name])
            known.graph.replay()
            return known.loss

    def record(self, micro: Micro) -> Recorded[Micro]:
        """The pass on buffers of this shape. It is run once before, as libraries set themselves up
        when first used, and the gradients that this adds are taken back."""
        kept = cloned(micro)
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        before = [gradient.clone() for gradient in gradients]
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            self.plain(kept)
        torch.cuda.current_stream().wait_stream(aside)
        torch._foreach_copy_(gradients, before)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool):
            loss = self.plain(kept)
        return Recorded(graph, kept, loss)


def shape_of(micro: object) -> tuple[object, ...]:
    """What two micro-batches must share to be read by one graph."""
    return tuple((name, part.shape) for name, part in tensors(micro).items())


def tensors(micro: Any) -> dict[str, Tensor]:
    """The micro-batch's tensors by name."""
    parts = {field.name: getattr(micro, field.name) for field in fields(micro)}
    return {name: part for name, part in parts.items() if isinstance(part, Tensor)}


def cloned(micro: Micro) -> Micro:
    """A copy that the micro-batch's owner cannot change."""
    copies = {name: part.clone() for name, part in tensors(micro).items()}
    return replace(micro, **copies)  # type: ignore[type-var]

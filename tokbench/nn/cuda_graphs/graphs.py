"""A chunk's forward and backward pass as one launch: a CUDA graph for every shape of chunk.

At the paper's size a pass is some 700 kernels of a few microseconds each, and launching them one by
one takes longer than running them. A graph is recorded once for a shape and then replayed on new
contents, so chunks come in few shapes (`Packer.grid`). Dropout draws anew in every replay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from tokbench.nn.transformer.packing import Chunk
from tokbench.nn.transformer.t5 import Transformer

Loss = Callable[[Transformer, Chunk], Tensor]
MOST = 64  # graphs; chunks of still other shapes run unrecorded


@dataclass(frozen=True)
class Recorded:
    """A graph, the chunk it reads, and the loss it writes."""

    graph: torch.cuda.CUDAGraph
    chunk: Chunk
    loss: Tensor


class GraphedBackward:
    """Adds a chunk's gradient to the weights' and returns its loss, by replaying a graph.

    The weights and their gradients must stay where they are in memory: updated in place, and never
    set to None.
    """

    def __init__(self, model: Transformer, loss: Loss) -> None:
        self.model, self.loss = model, loss
        self.recorded: dict[tuple[object, ...], Recorded] = {}
        self.pool = torch.cuda.graph_pool_handle()
        for parameter in model.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)

    def __call__(self, chunk: Chunk) -> Tensor:
        """The summed loss; a scalar that the next replay overwrites."""
        key = shape_of(chunk)
        with torch.cuda.device(chunk.encoder.device):
            if key not in self.recorded:
                if len(self.recorded) == MOST:
                    return self.plain(chunk)
                self.recorded[key] = self.record(chunk)
            known = self.recorded[key]
            values = tensors(chunk)
            for name, buffer in tensors(known.chunk).items():
                buffer.copy_(values[name])
            known.graph.replay()
            return known.loss

    def plain(self, chunk: Chunk) -> Tensor:
        """The pass itself."""
        loss = self.loss(self.model, chunk)
        torch.autograd.backward(loss)
        return loss.detach()

    def record(self, chunk: Chunk) -> Recorded:
        """The pass on buffers of this shape. It is run once before, as libraries set themselves up
        when first used, and the gradients that this adds are taken back."""
        kept = cloned(chunk)
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
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


def shape_of(chunk: Chunk) -> tuple[object, ...]:
    """What two chunks must share to be read by one graph."""
    return tuple((name, part.shape) for name, part in tensors(chunk).items())


def tensors(chunk: Chunk) -> dict[str, Tensor]:
    """The chunk's tensors by name."""
    parts = {field.name: getattr(chunk, field.name) for field in fields(chunk)}
    return {name: part for name, part in parts.items() if isinstance(part, Tensor)}


def cloned(chunk: Chunk) -> Chunk:
    """A copy that the chunk's owner cannot change."""
    copies: dict[str, Any] = {name: part.clone() for name, part in tensors(chunk).items()}
    return replace(chunk, **copies)

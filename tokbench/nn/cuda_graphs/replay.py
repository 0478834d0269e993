"""A training step as one launch: on CUDA it is recorded once as a graph and then replayed.

A step of the quantizer is some two hundred kernels of a few microseconds each; launching them one
by one takes longer than running them. A replay repeats exactly what was recorded, so it is for
steps that are alike: what the host decides or draws within one is frozen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Stepped(NamedTuple):
    """What a step leaves behind for the epoch's summary; nobody waits for it."""

    codes: Tensor  # [B, M]
    losses: Tensor  # [n]


Step = Callable[[Tensor], Stepped]  # rows [B] of the batch -> what the step left behind

EAGER = 3  # real steps before the recording: they make Adam's state and set libraries up


class Replay:
    """Calls `step`, from the fourth call on as a CUDA graph of it.

    Weights, optimizer state and everything else that the step changes must be changed in place,
    and the host must not wait for the device within it: recording such a step raises. A step whose
    rows are of another number than those recorded runs as it is.
    """

    def __init__(self, step: Step) -> None:
        self.step = step
        self.calls = 0
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, rows: Tensor) -> Stepped:
        """One step; the result is the caller's own."""
        self.calls += 1
        with torch.cuda.device(rows.device):  # the card that is recorded is the current one
            if self.calls <= EAGER:
                return self.aside(rows)
            if self.graph is not None and rows.shape != self.rows.shape:
                return self.step(rows)
            if self.graph is None:
                self.record(rows)
            self.rows.copy_(rows)
            assert self.graph is not None
            self.graph.replay()
            return Stepped(self.result.codes.clone(), self.result.losses.clone())

    def aside(self, rows: Tensor) -> Stepped:
        """The step on a stream of its own, as the recording will be."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            result = self.step(rows)
        torch.cuda.current_stream().wait_stream(stream)
        return result

    def record(self, rows: Tensor) -> None:
        """Record the step on a buffer of rows; recording changes nothing."""
        self.rows = rows.clone()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.result = self.step(self.rows)
        self.graph = graph

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

    Weights, optimizer state and everything else that the step changes must be changed in place.
    A step in which the host waits for the device cannot be recorded (CoST's mask_duplicates counts
    equal rows); such a step runs as it is. So does one whose rows are of another number.
    """

    def __init__(self, step: Step) -> None:
        self.step = step
        self.calls = 0
        self.waits = False
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, rows: Tensor) -> Stepped:
        """One step; the result is the caller's own."""
        self.calls += 1
        if self.calls < EAGER:
            return self.aside(self.step, rows)
        if self.calls == EAGER:
            return self.aside(self.examined, rows)
        if self.waits or (self.graph is not None and rows.shape != self.rows.shape):
            return self.step(rows)
        if self.graph is None:
            self.record(rows)
        self.rows.copy_(rows)
        assert self.graph is not None
        self.graph.replay()
        return Stepped(self.result.codes.clone(), self.result.losses.clone())

    def aside(self, step: Step, rows: Tensor) -> Stepped:
        """The step on a stream of its own, as the recording will be."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            result = step(rows)
        torch.cuda.current_stream().wait_stream(stream)
        return result

    def examined(self, rows: Tensor) -> Stepped:
        """The step, noting whether its losses make the host wait. Where they do, the attempt ends
        before anything is changed, and the step is run again."""
        before = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("error")
        try:
            return self.step(rows)
        except RuntimeError as error:
            if "synchronizing" not in str(error):
                raise
            self.waits = True
        finally:
            torch.cuda.set_sync_debug_mode(before)
        return self.step(rows)

    def record(self, rows: Tensor) -> None:
        """Record the step on a buffer of rows; recording changes nothing."""
        self.rows = rows.clone()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.result = self.step(self.rows)
        self.graph = graph

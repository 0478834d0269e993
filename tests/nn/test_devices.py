"""On a CPU nothing of what serves a GPU has any effect."""

from __future__ import annotations

import numpy as np
import torch

from tokbench.nn.devices import bias_learning_attention, on_cuda, sent, tensor_cores


def test_a_cpu_is_left_as_it_is() -> None:
    before = torch.get_float32_matmul_precision()
    with tensor_cores("cpu"), bias_learning_attention("cpu"):
        assert torch.get_float32_matmul_precision() == before
        assert torch.backends.cuda.cudnn_sdp_enabled() == CUDNN  # type: ignore[no-untyped-call]
    array = np.arange(6).reshape(2, 3)
    assert np.array_equal(sent(array, "cpu").numpy(), array)
    assert [on_cuda(device) for device in ("cpu", "cuda", "cuda:1")] == [False, True, True]


CUDNN = torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]

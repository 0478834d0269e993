"""On a CPU nothing of what serves a GPU has any effect."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tokbench.nn.devices import (
    LOGITS,
    bias_learning_attention,
    in_halves,
    on_cuda,
    products_in,
    sent,
    tensor_cores,
    tokens_at_once,
)
from tokbench.types import Ints


def test_a_cpu_is_left_as_it_is() -> None:
    before = torch.get_float32_matmul_precision()
    with (
        tensor_cores("cpu", "bfloat16"),
        products_in("cpu", "bfloat16"),
        bias_learning_attention("cpu"),
    ):
        assert torch.get_float32_matmul_precision() == before
        assert not torch.is_autocast_enabled("cpu")
        assert torch.backends.cuda.cudnn_sdp_enabled() == CUDNN  # type: ignore[no-untyped-call]
    array = np.arange(6).reshape(2, 3)
    assert np.array_equal(sent(array, "cpu").numpy(), array)
    assert [on_cuda(device) for device in ("cpu", "cuda", "cuda:1")] == [False, True, True]


CUDNN = torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]


def test_what_does_not_fit_is_done_in_halves() -> None:
    """Every row once, in order; a row that is too much by itself is an error."""
    done: list[int] = []

    def work(rows: Ints, most: int) -> None:
        if len(rows) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        done.extend(rows.tolist())

    in_halves(lambda rows: work(rows, 3), np.arange(11))
    assert done == list(range(11))
    with pytest.raises(torch.OutOfMemoryError):
        in_halves(lambda rows: work(rows, 0), np.arange(4))


def test_large_vocabularies_leave_room_for_fewer_tokens_on_a_gpu() -> None:
    budgets = {"cpu": 4096, "cuda": 2**16}
    assert tokens_at_once(budgets, 200, "cuda") == 2**16
    assert tokens_at_once(budgets, 18_000, "cuda:1") == LOGITS // 18_000 < 2**14
    assert tokens_at_once(budgets, 2**40, "cuda") == 1
    assert tokens_at_once(budgets, 2**40, "cpu") == 4096

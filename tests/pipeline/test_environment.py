"""Devices are refused in one plain line, and threads are what was asked for, for a while."""

from __future__ import annotations

import os

import pytest
import torch

from tokbench.errors import ConfigError
from tokbench.pipeline.environment import find_device, threads_of


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gpu", "no device is called 'gpu'; use auto, cpu, cuda or cuda:N"),
        ("mps", "device 'mps': tokbench does not compute on mps; use auto, cpu, cuda or cuda:N"),
        ("cuda:99", "device 'cuda:99': torch finds "),
    ],
)
def test_a_device_that_cannot_be_used_is_named_in_one_short_line(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_device(name)
    assert str(caught.value).startswith(said)
    assert len(str(caught.value)) < 100
    assert "\n" not in str(caught.value)


def test_the_cpu_is_always_there() -> None:
    assert find_device("cpu") == "cpu"
    assert find_device("auto") in ("cpu", "cuda")


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    with threads_of(before[0] + 1):
        assert torch.get_num_threads() == before[0] + 1
        assert os.environ["OMP_NUM_THREADS"] == str(before[0] + 1)
    assert (torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")) == before

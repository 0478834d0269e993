"""Threads are what was asked for, for a while."""

from __future__ import annotations

import os

import torch

from tokbench.pipeline.environment import threads_of


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    with threads_of(before[0] + 1):
        assert torch.get_num_threads() == before[0] + 1
        assert os.environ["OMP_NUM_THREADS"] == str(before[0] + 1)
    assert (torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")) == before

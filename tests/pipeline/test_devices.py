"""Which device a name means, how processes are spread over cards, what a lost GPU ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from tests.components import Hashed, registry_of
from tests.pipeline.test_grid import context_in, tiny_request
from tokbench.api import Runtime
from tokbench.errors import ConfigError, WorkerError
from tokbench.pipeline import devices
from tokbench.pipeline.devices import cards, find_device, is_lost, share_card
from tokbench.pipeline.grid import run_grid
from tokbench.types import Catalog, SemanticIds


def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_names_mean_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch.cuda.is_available():
        assert find_device("auto") == "cpu"
    assert find_device("cpu") == "cpu"
    two_cards(monkeypatch)
    assert [find_device(name) for name in ("auto", "cuda", "cuda:0", "cuda:1")] == [
        "cuda", "cuda", "cuda:0", "cuda:1",
    ]  # fmt: skip
    assert [cards(name) for name in ("cpu", "cuda", "cuda:1")] == [
        ["cpu"], ["cuda:0", "cuda:1"], ["cuda:1"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mps", "'mps' cannot be used: Apple's GPUs have no float64"),
        ("cuda:2", "'cuda:2' cannot be used: torch .* sees 2 CUDA devices here"),
        ("cuda:x", "'cuda:x' is not known; allowed are auto, cpu, cuda and cuda:0"),
        ("gpu", "'gpu' is not known"),
    ],
)
def test_other_names_are_refused(name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    two_cards(monkeypatch)
    with pytest.raises(ConfigError, match=said):
        find_device(name)


def test_memory_is_shared_by_the_processes_of_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, str]] = []
    monkeypatch.setattr(
        torch.cuda,
        "set_per_process_memory_fraction",
        lambda share, card: asked.append((share, card)),
    )
    share_card("cuda:1", 1)
    share_card("cpu", 3)
    assert asked == []
    share_card("cuda:1", 3)
    assert [(round(share, 6), card) for share, card in asked] == [(0.3, "cuda:1")]


def test_a_card_that_nobody_used_has_no_peak_to_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch raises for statistics of a device before CUDA is initialised."""
    ready: list[bool] = []
    monkeypatch.setattr(torch.cuda, "init", lambda: ready.append(True))

    def reset(device: str) -> None:
        assert ready, "Invalid device argument cuda:0: did you call init?"

    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset)
    devices.forget_device_peak("cuda:0")
    devices.forget_device_peak("cpu")
    assert len(ready) == 1


LOST = "CUDA error: an illegal memory access was encountered"


def test_only_errors_that_come_back_are_losses() -> None:
    assert is_lost(RuntimeError(LOST))
    assert not is_lost(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_lost(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_lost(ValueError(LOST))


class Losing(Hashed):
    """Fails as after a kernel's illegal access."""

    name = "losing"

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        raise RuntimeError(f"{LOST}, {os.getpid()}")


def test_a_process_that_lost_its_gpu_is_replaced(tmp_path: Path) -> None:
    """Its cell fails, and no other is given to it."""
    records = run_grid(
        tiny_request(tokenizers=("losing", "hashed"), seeds=(0, 1), baselines=False),
        context_in(tmp_path),
        registry=registry_of(("tokenizer", Losing)),
        jobs=2,
        threads=1,
    )
    failed = [record.error or "" for record in records if record.status == "failed"]
    assert len(failed) == 2
    assert len(records) == 4
    workers = {error.split()[-3] for error in failed}
    assert len(workers) == 2, failed


def test_in_one_process_a_lost_gpu_ends_the_grid(tmp_path: Path) -> None:
    with pytest.raises(
        WorkerError, match=r"lost to this process at the stage tokenize: .*--jobs 2"
    ):
        run_grid(
            tiny_request(tokenizers=("losing",), baselines=False),
            context_in(tmp_path),
            registry=registry_of(("tokenizer", Losing)),
        )

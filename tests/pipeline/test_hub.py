"""Semantic IDs to a hub and back: against a stand-in for it, through its own library."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.cli.test_cli import run_words, shop
from tests.pipeline.hub_server import TOKEN, Hub, serve
from tokbench.cli import main
from tokbench.ids.formats import read_table
from tokbench.schema.record import Record, read_records


@pytest.fixture(scope="module")
def hub() -> Iterator[tuple[str, Hub]]:
    with serve() as found:
        yield found


@pytest.fixture
def ran(tmp_path: Path) -> Record:
    shop(tmp_path / "shop")
    assert main(run_words(tmp_path, "--collision-policy", "none", "--no-baselines")) == 0
    (record,) = read_records(tmp_path / "results")
    return record


def ids(folder: Path, endpoint: str, *words: str, token: str = TOKEN) -> tuple[int, str, str]:
    """The command in a process of its own: the hub's library reads its address at import."""
    done = subprocess.run(
        [sys.executable, "-m", "tokbench", "ids", *words], capture_output=True, text=True,
        cwd=folder, timeout=300,
        env={**os.environ, "HF_ENDPOINT": endpoint, "HF_TOKEN": token,
             "HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "0",
             "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_a_table_comes_back_from_the_hub_as_it_was_pushed(
    tmp_path: Path, ran: Record, hub: tuple[str, Hub]
) -> None:
    endpoint, held = hub
    status, out, err = ids(
        tmp_path, endpoint, "push", ran.run_id, "me/shop-ids", "--license", "cc-by-4.0",
        "--private", "--dataset", str(tmp_path / "shop"), "--cache", str(tmp_path / "cache"),
    )  # fmt: skip
    assert status == 0, err
    assert "12 items: " in out and "me/shop-ids" in out
    assert held.private["me/shop-ids"]
    files = held.files["me/shop-ids"]
    assert set(files) >= {"README.md", "semantic_ids.json", "record.json"}
    page = files["README.md"].decode()
    assert page.startswith("---\nlicense: cc-by-4.0\n") and "| encoder | tfidf |" in page
    assert ran.outcome is not None
    assert f"| recall@10 | {ran.outcome.figures['recall@10'].value:.4f} |" in page

    status, out, err = ids(tmp_path, endpoint, "pull", "me/shop-ids", "--out", "back")
    assert status == 0, err
    assert "tokbench run --codes back/semantic_ids.json" in out
    table = read_table(tmp_path / "back/semantic_ids.json", level_sizes=(64, 64, 64))
    assert table.ids.codes.tolist() == ran.outcome.read_ids().codes.tolist()
    assert table.item_ids == tuple(f"i{n}" for n in range(12))


def test_codebooks_are_what_a_code_adds(
    tmp_path: Path, ran: Record, hub: tuple[str, Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Level 1's vector of a code: the mean embedding of the items that have it."""
    from tokbench.pipeline.context import RunContext
    from tokbench.pipeline.export import source_of, table_of
    from tokbench.pipeline.hub import CODEBOOKS, stored_embeddings, write_repository
    from tokbench.registry.registry import build_registry

    monkeypatch.chdir(tmp_path)
    registry = build_registry(entry_points=False)
    monkeypatch.setenv("TOKBENCH_DATA", str(tmp_path))
    vectors = stored_embeddings(ran, registry, RunContext(cache=tmp_path / "cache"))
    assert vectors is not None and len(vectors) == 12
    from tokbench.api import Runtime

    dataset = source_of(ran, registry, str(tmp_path / "shop")).load(runtime=Runtime())
    table = table_of(ran, dataset)
    (tmp_path / "card").mkdir()
    write_repository(tmp_path / "card", ran, table, vectors, licence="other")
    first = load_file(tmp_path / "card" / CODEBOOKS)["level1"]
    code = int(table.ids.codes[0, 0])
    rows = table.ids.codes[:, 0] == code
    np.testing.assert_allclose(first[code], vectors[rows].mean(axis=0), rtol=1e-5, atol=1e-6)


def test_what_the_hub_refuses_is_one_line(
    tmp_path: Path, ran: Record, hub: tuple[str, Hub]
) -> None:
    endpoint, _ = hub
    said = [
        ids(tmp_path, endpoint, "pull", "me/nothing", "--out", "back"),
        ids(tmp_path, endpoint, "pull", "no such name", "--out", "back"),
        ids(tmp_path, "http://127.0.0.1:9", "pull", "me/shop-ids", "--out", "back"),
        ids(tmp_path, endpoint, "push", ran.run_id, "me/x", "--license", "other", "--dataset",
            str(tmp_path / "shop"), token="hf_wrong"),
    ]  # fmt: skip
    for status, _, err in said:
        assert status == 1
        assert "Traceback" not in err
    assert "not on the hub" in said[0][2]
    assert "write OWNER/NAME" in said[1][2]
    assert all("repository 'me/" in err for _, _, err in (said[0], said[2], said[3]))

"""A store at an address: whole or not at all, from any machine, over a line that breaks."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.components import CALLS, registry_of
from tests.pipeline.test_grid import tiny_request
from tokbench.cli import main
from tokbench.errors import ConfigError, StoreError
from tokbench.pipeline import shared_store
from tokbench.pipeline.context import RunContext
from tokbench.pipeline.grid import run_grid
from tokbench.pipeline.shared_store import SharedStore

KEY = "k" * 64


@pytest.fixture(params=["file", "memory", "s3"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A folder, fsspec's own memory, or a bucket of an S3 server on the loopback."""
    name = uuid.uuid4().hex
    if request.param == "file":
        yield f"file://{tmp_path}/shared"
    elif request.param == "memory":
        yield f"memory://{name}"
    else:
        pytest.importorskip("s3fs")
        server = pytest.importorskip("moto.server")
        with pytest.MonkeyPatch.context() as patch:
            moto = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
            moto.start()
            host, port = moto.get_host_and_port()
            patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
            patch.setenv("AWS_ACCESS_KEY_ID", "me")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            import s3fs

            s3fs.S3FileSystem.clear_instance_cache()
            s3fs.S3FileSystem().mkdir(name)
            yield f"s3://{name}/prefix"
            s3fs.S3FileSystem.clear_instance_cache()
            moto.stop()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_store, "PAUSE", 0.0)


def build(text: str, calls: list[str] | None = None) -> Any:
    def write(folder: Path) -> dict[str, Any]:
        (folder / "value.txt").write_text(text)
        if calls is not None:
            calls.append(text)
        return {"digest": text}

    return write


def machine(tmp_path: Path, name: str, address: str) -> SharedStore:
    return SharedStore(tmp_path / name / "store", address)


def test_what_one_machine_builds_another_finds(tmp_path: Path, address: str) -> None:
    one, two = machine(tmp_path, "one", address), machine(tmp_path, "two", address)
    assert one.find("embed", KEY) is None
    assert one.obtain("embed", KEY, build("a")).built
    found = two.find("embed", KEY)
    assert found is not None and not found.built
    assert (found.folder / "value.txt").read_text() == "a" and found.facts == {"digest": "a"}
    calls: list[str] = []
    assert not two.obtain("embed", KEY, build("b", calls)).built and calls == []


def test_of_two_writers_the_first_stays(tmp_path: Path, address: str) -> None:
    """Both build before either has uploaded: the second takes the first one's."""
    one, two = machine(tmp_path, "one", address), machine(tmp_path, "two", address)

    def late(folder: Path) -> dict[str, Any]:
        one.obtain("train", KEY, build("first"))
        return build("second")(folder)  # type: ignore[no-any-return]

    taken = two.obtain("train", KEY, late)
    assert (taken.folder / "value.txt").read_text() == "first"
    assert taken.facts == {"digest": "first"}


@pytest.mark.parametrize("spoil", ["half", "gone", "manifest"])
def test_what_is_not_whole_is_no_artifact_and_is_mended(
    tmp_path: Path, address: str, spoil: str
) -> None:
    one, two = machine(tmp_path, "one", address), machine(tmp_path, "two", address)
    one.obtain("embed", KEY, build("a long text"))
    files = one._files
    blobs = [path for path in files.find(f"{one._prefix}/blobs") if files.info(path)["size"] == 11]
    (blob,) = blobs
    if spoil == "half":
        files.pipe_file(blob, b"a long")
    elif spoil == "gone":
        files.rm_file(blob)
    else:
        files.pipe_file(f"{one._prefix}/embed/{KEY}.json", b'{"files": ')
    assert two.find("embed", KEY) is None
    assert two.obtain("embed", KEY, build("a long text")).built
    three = machine(tmp_path, "three", address).find("embed", KEY)
    assert three is not None and (three.folder / "value.txt").read_text() == "a long text"


def test_a_line_that_breaks_is_tried_again_and_then_said(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = machine(tmp_path, "one", address)
    whole, left = store._files, [3]

    class Broken:
        def __getattr__(self, name: str) -> Any:
            def act(*words: Any, **options: Any) -> Any:
                if left[0]:
                    left[0] -= 1
                    raise ConnectionResetError("by peer")
                return getattr(whole, name)(*words, **options)

            return act

    monkeypatch.setattr(store, "_files", Broken())
    assert store.obtain("embed", KEY, build("a")).built
    left[0] = 10**9
    with pytest.raises(StoreError, match=r"cannot be used: ConnectionResetError.* resumes"):
        store.obtain("train", KEY, build("b"))


def test_what_was_built_but_not_uploaded_is_uploaded_by_the_next(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill between the two."""
    one = machine(tmp_path, "one", address)
    with monkeypatch.context() as patch:
        patch.setattr(SharedStore, "_send", lambda *words: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            one.obtain("embed", KEY, build("a"))
    assert machine(tmp_path, "two", address).find("embed", KEY) is None
    again = machine(tmp_path, "one", address).find("embed", KEY)
    assert again is not None
    assert machine(tmp_path, "two", address).find("embed", KEY) is not None


def test_many_writers_at_once(tmp_path: Path, address: str) -> None:
    found: list[str] = []

    def work(n: int) -> None:
        store = machine(tmp_path, f"m{n}", address)
        found.append(
            (store.obtain("embed", KEY, build(f"text {n}")).folder / "value.txt").read_text()
        )

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1 and len(found) == 4


def test_a_second_machine_computes_nothing(tmp_path: Path, address: str) -> None:
    def run(name: str, **fields: Any) -> list[str]:
        CALLS.clear()
        context = RunContext(tmp_path / name / "r", tmp_path / name / "c", shared=address)
        records = run_grid(tiny_request(**fields), context, registry=registry_of())
        assert len(list((tmp_path / name / "r").rglob("*.json"))) == len(records)
        return [record.outcome_digest() for record in records]

    first = run("one", tokenizers=("hashed", "hashed:wide"))
    assert "train" in CALLS
    assert run("two", tokenizers=("hashed", "hashed:wide")) == first
    assert CALLS == [], "the records came from the address"
    run("three", tokenizers=("hashed",), collision_policies=("extra-token",), baselines=False)
    assert CALLS.count("encode") == 0 and CALLS.count("tokenize") == 0
    assert CALLS.count("train") == 1, "only what nobody has made"


def test_addresses_of_no_known_kind_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match="--store nosuch://x"):
        SharedStore(tmp_path, "nosuch://x")
    words = ["run", "-d", "toy", "-t", "random", "-e", "tfidf", "--profile", "toy", "--store",
             "nosuch://x", "--results", str(tmp_path)]  # fmt: skip
    assert main(words) == 1
    assert "nosuch" in capsys.readouterr().err

"""Against a server on this machine that misbehaves as hosts do."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tokbench.api import Quiet
from tokbench.errors import DatasetError
from tokbench.ingest import download as module
from tokbench.ingest.download import RawFile, fetch, read_ledger

CONTENT = b"PK" + bytes(n * n % 251 for n in range(300_000))
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Host:
    """What the server does, and what it was asked."""

    url: str
    content: bytes = CONTENT
    etag: str = '"one"'
    cut_after: int = 0  # bytes of each answer, then the connection is closed
    stall: float = 0.0  # seconds of silence in the middle of an answer
    length: str | None = ""  # what Content-Length says; "": the truth, None: there is none
    redirect: str = ""  # where /moved leads
    chunked: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)  # (path, Range)

    def file(self, *mirrors: str) -> RawFile:
        return RawFile("a.zip", tuple(f"{self.url}/{mirror}/a.zip" for mirror in mirrors))


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    silence = Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            known.asked.append((self.path, wanted))
            if self.path.startswith("/broken"):
                self.send_error(503)
                return
            if self.path.startswith("/silent"):
                silence.wait(60)
                return
            if self.path.startswith("/moved"):
                self.send_response(302)
                self.send_header("Location", known.redirect)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = b"<html>sorry</html>" if self.path.startswith("/page") else known.content
            start = 0
            if wanted and self.headers.get("If-Range") == known.etag:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(content):
                    self.send_error(416)
                    return
            self.send_response(206 if start else 200)
            if known.etag:
                self.send_header("ETag", known.etag)
            if known.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            elif known.length is not None:
                self.send_header("Content-Length", known.length or str(len(content) - start))
            self.end_headers()
            rest = content[start:]
            if known.chunked:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(rest), rest))
                if not known.cut_after:
                    self.wfile.write(b"0\r\n\r\n")
                return
            if known.cut_after and len(rest) > known.cut_after:
                self.wfile.write(rest[: known.cut_after])
                return
            self.wfile.write(rest[:1_000])
            time.sleep(known.stall)
            self.wfile.write(rest[1_000:])

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # the client went away in the middle: a test of that

    monkeypatch.setattr(module, "WAIT", 0.0)
    with Server(("127.0.0.1", 0), Handler) as server:
        known = Host(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield known
        silence.set()
        server.shutdown()
        thread.join()


def leftovers(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def test_a_file_is_fetched_recorded_and_not_fetched_again(host: Host, tmp_path: Path) -> None:
    path = fetch(host.file("good"), tmp_path, Quiet())
    assert path.read_bytes() == CONTENT
    url = f"{host.url}/good/a.zip"
    assert read_ledger(tmp_path) == {"a.zip": {"sha256": SHA256, "bytes": len(CONTENT), "url": url}}
    assert leftovers(tmp_path) == {"a.zip", "downloads.json"}
    fetch(host.file("good"), tmp_path, Quiet())
    assert len(host.asked) == 1


def test_mirrors_are_tried_in_order(host: Host, tmp_path: Path) -> None:
    path = fetch(host.file("broken", "page", "good", "never"), tmp_path, Quiet())
    assert path.read_bytes() == CONTENT
    assert [asked.split("/")[1] for asked, _ in host.asked] == ["broken", "page", "good"]


def test_a_dead_host_is_passed_over(host: Host, tmp_path: Path) -> None:
    file = RawFile("a.zip", ("http://127.0.0.1:9/a.zip", f"{host.url}/good/a.zip"))
    assert fetch(file, tmp_path, Quiet()).read_bytes() == CONTENT


def test_no_mirror_left_says_why_and_what_to_do(host: Host, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        fetch(host.file("broken", "page"), tmp_path, Quiet())
    assert "HTTP 503" in caught.value.problem
    assert "a page, not the file" in caught.value.problem
    assert "--raw" in caught.value.remedy
    assert leftovers(tmp_path) == set()


def test_a_cut_connection_is_resumed_where_it_broke(host: Host, tmp_path: Path) -> None:
    host.cut_after = 70_000
    assert fetch(host.file("good"), tmp_path, Quiet()).read_bytes() == CONTENT
    starts = [wanted for _, wanted in host.asked]
    assert starts == ["", *(f"bytes={n * 70_000}-" for n in range(1, 5))]


def test_a_killed_download_is_resumed_by_the_next_one(host: Host, tmp_path: Path) -> None:
    (tmp_path / "a.zip.part").write_bytes(CONTENT[:123_456])
    state = {"url": f"{host.url}/good/a.zip", "tag": host.etag}
    (tmp_path / "a.zip.part.json").write_text(json.dumps(state))
    assert fetch(host.file("good"), tmp_path, Quiet()).read_bytes() == CONTENT
    assert host.asked == [("/good/a.zip", "bytes=123456-")]


def test_a_whole_part_file_is_begun_anew(host: Host, tmp_path: Path) -> None:
    (tmp_path / "a.zip.part").write_bytes(CONTENT)
    state = {"url": f"{host.url}/good/a.zip", "tag": host.etag}
    (tmp_path / "a.zip.part.json").write_text(json.dumps(state))
    assert fetch(host.file("good"), tmp_path, Quiet()).read_bytes() == CONTENT


def test_the_rest_from_another_mirror_is_not_glued_on(host: Host, tmp_path: Path) -> None:
    """Both call their version "one", as hosts that number versions do."""
    (tmp_path / "a.zip.part").write_bytes(b"x" * 1_000)
    state = {"url": f"{host.url}/elsewhere/a.zip", "tag": host.etag}
    (tmp_path / "a.zip.part.json").write_text(json.dumps(state))
    assert fetch(host.file("good"), tmp_path, Quiet()).read_bytes() == CONTENT


@pytest.mark.parametrize("tag", ['"older"', 'W/"weak"', ""])
def test_the_rest_of_another_version_is_not_glued_on(host: Host, tmp_path: Path, tag: str) -> None:
    (tmp_path / "a.zip.part").write_bytes(b"x" * 1_000)
    state = {"url": f"{host.url}/good/a.zip", "tag": tag}
    (tmp_path / "a.zip.part.json").write_text(json.dumps(state))
    assert fetch(host.file("good"), tmp_path, Quiet()).read_bytes() == CONTENT


def test_without_a_version_a_cut_download_is_given_up(host: Host, tmp_path: Path) -> None:
    host.etag, host.cut_after = "", 70_000
    with pytest.raises(DatasetError, match="connection cut after 70000 of 300002 bytes"):
        fetch(host.file("good"), tmp_path, Quiet())
    assert len(host.asked) == module.ATTEMPTS + 1
    assert not (tmp_path / "a.zip").exists()


def test_a_silent_host_is_passed_over_and_a_slow_one_is_not(host: Host, tmp_path: Path) -> None:
    host.stall = 0.2
    assert fetch(host.file("good"), tmp_path / "slow", Quiet(), timeout=5).read_bytes() == CONTENT
    start = time.perf_counter()
    with pytest.raises(DatasetError, match="timed out"):
        fetch(host.file("silent"), tmp_path / "silent", Quiet(), timeout=0.1)
    assert time.perf_counter() - start < 10
    path = fetch(host.file("silent", "good"), tmp_path / "silent", Quiet(), timeout=0.5)
    assert path.read_bytes() == CONTENT


def test_a_changed_file_is_noticed(host: Host, tmp_path: Path) -> None:
    path = fetch(host.file("good"), tmp_path, Quiet())
    path.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(DatasetError, match="is not the recorded"):
        fetch(host.file("good"), tmp_path, Quiet())


def test_a_second_download_must_match_the_first(host: Host, tmp_path: Path) -> None:
    path = fetch(host.file("good"), tmp_path, Quiet())
    path.unlink()
    host.content = CONTENT[:-1] + b"!"
    with pytest.raises(DatasetError, match="is not the recorded"):
        fetch(host.file("good"), tmp_path, Quiet())
    assert not path.exists()
    host.content = CONTENT
    assert fetch(host.file("good"), tmp_path, Quiet()).read_bytes() == CONTENT


def test_a_damaged_ledger_is_named(host: Host, tmp_path: Path) -> None:
    (tmp_path / "downloads.json").write_text("{")
    with pytest.raises(DatasetError, match="damaged list of checksums"):
        fetch(host.file("good"), tmp_path, Quiet())


@pytest.mark.parametrize("url", ["ftp://example.org/a.zip", "http://example.org/a.zip"])
def test_only_https_is_asked_and_followed(host: Host, tmp_path: Path, url: str) -> None:
    host.redirect = url
    for file in (RawFile("a.zip", (url,)), host.file("moved")):
        with pytest.raises(DatasetError, match=f"{url} is not https"):
            fetch(file, tmp_path, Quiet())
    assert leftovers(tmp_path) == set()
    host.redirect = f"{host.url}/good/a.zip"
    assert fetch(host.file("moved"), tmp_path, Quiet()).read_bytes() == CONTENT


@pytest.mark.parametrize("length", [None, "abc", "-5"])
def test_an_answer_of_unknown_length_is_not_trusted(
    host: Host, tmp_path: Path, length: str | None
) -> None:
    host.length = length
    with pytest.raises(
        DatasetError, match="no Content-Length" if length is None else f"Content-Length {length!r}"
    ):
        fetch(host.file("good"), tmp_path, Quiet())
    assert not (tmp_path / "a.zip").exists()


def test_chunks_say_when_they_end(host: Host, tmp_path: Path) -> None:
    host.chunked, host.etag, host.cut_after = True, "", 1
    with pytest.raises(DatasetError, match="IncompleteRead"):
        fetch(host.file("good"), tmp_path, Quiet())
    host.cut_after = 0
    assert fetch(host.file("good"), tmp_path, Quiet()).read_bytes() == CONTENT


def test_size_and_time_have_limits(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST", 200_000)
    with pytest.raises(DatasetError, match="300,002 bytes, the limit is 200,000"):
        fetch(host.file("good"), tmp_path, Quiet())
    host.chunked = True
    with pytest.raises(DatasetError, match="more than 200,000 bytes, the limit"):
        fetch(host.file("good"), tmp_path, Quiet())
    monkeypatch.undo()
    monkeypatch.setattr(module, "LONGEST", -1.0)
    with pytest.raises(DatasetError, match=r"took more than -1 s: [\d,]+ of "):
        fetch(host.file("good"), tmp_path, Quiet())


def test_a_known_sha256_must_be_met(host: Host, tmp_path: Path) -> None:
    urls = host.file("good").urls
    with pytest.raises(DatasetError, match=f"sha256 {SHA256[:12]}... is not the recorded 000000"):
        fetch(RawFile("a.zip", urls, "0" * 64), tmp_path, Quiet())
    assert leftovers(tmp_path) == set()
    assert fetch(RawFile("a.zip", urls, SHA256), tmp_path, Quiet()).read_bytes() == CONTENT

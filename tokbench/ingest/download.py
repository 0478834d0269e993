"""Fetching official files: mirrors in order, interrupted transfers resumed, contents remembered.

Where the sha256 of a file is not known beforehand, that of the first whole download is written to
`downloads.json` beside it, and every later use of the file must match it.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, cast
from urllib.parse import urlsplit

from filelock import FileLock

from tokbench.api import Progress, Quiet
from tokbench.errors import DatasetError

Known = dict[str, str | int]  # what is known of a file: sha256, bytes, url
LEDGER = "downloads.json"
CHUNK = 2**20  # bytes
ATTEMPTS = 4  # per mirror, in a row, that bring nothing new
WAIT = 1.0  # seconds before the second attempt, doubled for each further one
LARGEST = 64 * 2**30  # bytes of a file; the largest official one has some 20 GB
LONGEST = 12 * 3600.0  # seconds that a file may take from one mirror
MAGIC = {".zip": b"PK", ".gz": b"\x1f\x8b"}  # what files of these names begin with
HERE = ("127.0.0.1", "::1", "localhost")  # the only hosts that need no https


@dataclass(frozen=True)
class RawFile:
    """An official file: its name, where to get it, best host first, and its content if known.

    Without urls a program cannot fetch it; a person gets it at `page`.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str = ""
    page: str = ""

    @property
    def where(self) -> str:
        """Where a person finds it."""
        return self.urls[0] if self.urls else self.page


class Refusal(Exception):  # noqa: N818 - an answer from a host, not an error of ours
    """Why one mirror did not give the file."""


def fetch(file: RawFile, folder: Path, progress: Progress, *, timeout: float = 30.0) -> Path:
    """The file in `folder`, downloaded unless it is there already. `timeout`: seconds of silence.

    Raises DatasetError where no mirror gives it, or where it differs from its known sha256.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file.name
    with FileLock(folder / f".{file.name}.lock"):
        recorded = read_ledger(folder).get(file.name)
        known = file.sha256 or str(recorded["sha256"] if recorded else "")
        if path.exists():
            found = sha256_of(path, progress)
            if known and known != found:
                raise DatasetError(
                    f"sha256 {found[:12]}... is not the recorded {known[:12]}...",
                    path=path,
                    remedy=f"delete it to download it again, or its entry in {LEDGER} to accept it",
                )
            if not recorded:
                _record(path, found, "")
            return path
        if not file.urls:
            raise DatasetError(
                "its publisher gives it to people only",
                path=path,
                remedy=f"get it at {file.page}, and put it there or name its folder with --raw",
            )
        reasons = []
        for url in file.urls:
            try:
                found = _download(url, path, known, progress, timeout)
            except Refusal as refusal:
                reasons.append(f"{url}: {refusal}")
                continue
            if not recorded:
                _record(path, found, url)
            return path
        raise DatasetError(
            f"no mirror gave it: {'; '.join(reasons)}",
            path=path,
            remedy=f"download {file.urls[0]} by other means and pass its folder with --raw",
        )


def size_of(file: RawFile, *, timeout: float = 10.0) -> int | None:
    """Bytes of the file as a mirror states them; None where none answers."""
    for url in file.urls:
        request = urllib.request.Request(url, headers={"User-Agent": "tokbench"}, method="HEAD")
        try:
            _require_https(url)
            with urllib.request.build_opener(_OnlyHttps).open(request, timeout=timeout) as answer:
                return int(answer.headers["Content-Length"])
        except (OSError, http.client.HTTPException, Refusal, TypeError, ValueError):
            continue  # no answer, or one that states no size
    return None


def read_ledger(folder: Path) -> dict[str, Known]:
    """What is known of the files in a download folder: {name: {sha256, bytes, url}}."""
    path = folder / LEDGER
    if not path.exists():
        return {}
    try:
        return cast(dict[str, Known], json.loads(path.read_text("utf-8")))
    except ValueError as error:
        remedy = "restore it, or delete it to accept the files as they are now"
        raise DatasetError("damaged list of checksums", path=path, remedy=remedy) from error


def sha256_of(path: Path, progress: Progress) -> str:
    """sha256 of a file's content, 64 hex digits."""
    sha = hashlib.sha256()
    total = path.stat().st_size
    with path.open("rb") as file, progress.track(f"check {path.name}", total=total) as advance:
        while chunk := file.read(CHUNK):
            sha.update(chunk)
            advance(len(chunk))
    return sha.hexdigest()


def _record(path: Path, sha256: str, url: str) -> None:
    """Enter a file into the ledger, which other processes may be writing to as well."""
    folder = path.parent
    entry: Known = {"sha256": sha256, "bytes": path.stat().st_size, "url": url}
    with FileLock(folder / f".{LEDGER}.lock"):
        ledger = read_ledger(folder) | {path.name: entry}
        written = folder / f".{LEDGER}.new"
        written.write_text(json.dumps(ledger, indent=2, sort_keys=True) + "\n", "utf-8")
        written.replace(folder / LEDGER)


def _download(url: str, path: Path, known: str, progress: Progress, timeout: float) -> str:
    """Bring `url` to `path`, whole and verified; its sha256. Or raise Refusal, and no `path`."""
    part = path.with_name(path.name + ".part")
    state = path.with_name(path.name + ".part.json")
    failures, furthest, deadline = 0, 0, time.monotonic() + LONGEST
    while True:
        try:
            _transfer(url, part, state, progress, timeout, deadline)
            break
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
                if error.code != 416:
                    raise Refusal(f"HTTP {error.code}") from error
                state.unlink(missing_ok=True)  # there is no such rest: begin anew
            size = part.stat().st_size if part.exists() else 0
            failures = 0 if size > furthest else failures + 1
            furthest = max(size, furthest)
            if failures == ATTEMPTS:
                raise Refusal(f"{getattr(error, 'reason', None) or error}") from error
            time.sleep(WAIT * 2**failures)
    state.unlink(missing_ok=True)
    with part.open("rb") as file:
        begins = file.read(2)
    found = sha256_of(part, Quiet())
    problem = ""
    if not begins.startswith(MAGIC.get(path.suffix, b"")) or begins.startswith(b"<"):
        problem = f"the answer is a page, not the file: it begins with {begins!r}"
    elif known and found != known:
        problem = f"sha256 {found[:12]}... is not the recorded {known[:12]}..."
    if problem:
        part.unlink()
        raise Refusal(problem)
    part.replace(path)
    return found


def _transfer(
    url: str, part: Path, state: Path, progress: Progress, timeout: float, deadline: float
) -> None:
    """One connection: all of the file, or the rest of it. Raises OSError where it breaks off."""
    _require_https(url)
    request = urllib.request.Request(url, headers={"User-Agent": "tokbench"})
    tag = _resume_tag(url, part, state)
    if tag:
        request.add_header("Range", f"bytes={part.stat().st_size}-")
        request.add_header("If-Range", tag)  # the whole file instead, where it has changed
    opener = urllib.request.build_opener(_OnlyHttps)
    with opener.open(request, timeout=timeout) as answer:
        start = part.stat().st_size if answer.status == 206 else 0
        total = start + _length(answer.headers)
        if total > LARGEST:
            raise Refusal(f"{total:,} bytes, the limit is {LARGEST:,}")
        if not start:
            tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
            state.write_text(json.dumps({"url": url, "tag": tag}), "utf-8")
        size = start
        track = progress.track(f"download {part.stem}", total=total)
        with part.open("ab" if start else "wb") as file, track as advance:
            advance(start)
            while chunk := answer.read1(CHUNK):
                file.write(chunk)
                size += len(chunk)
                advance(len(chunk))
                if size > LARGEST:
                    raise Refusal(f"more than {LARGEST:,} bytes, the limit")
                if time.monotonic() > deadline:
                    raise Refusal(f"took more than {LONGEST:g} s: {size:,} of {total:,} bytes")
    if size < total:
        raise ConnectionError(f"connection cut after {size} of {total} bytes")


def _length(headers: Message) -> int:
    """Bytes that the answer announces; 0 where it comes in chunks, which say when they end."""
    text = headers.get("Content-Length")
    if text is None and "chunked" in str(headers.get("Transfer-Encoding", "")).lower():
        return 0
    if text is None or not (text.isascii() and text.isdigit()):
        found = "no Content-Length" if text is None else f"Content-Length {text!r}"
        raise Refusal(f"{found}: nothing would show that an answer was cut short")
    return int(text)


def _require_https(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in HERE):
        raise Refusal(f"{url} is not https")


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to https only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str,
        headers: http.client.HTTPMessage, newurl: str,
    ) -> urllib.request.Request | None:  # fmt: skip
        """The request for `newurl`. Raises Refusal where it is not https."""
        _require_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _resume_tag(url: str, part: Path, state: Path) -> str:
    """The version of the file that `part` is the beginning of; '' where it is to be begun anew."""
    try:
        known = json.loads(state.read_text("utf-8"))
        if part.stat().st_size and known["url"] == url and not known["tag"].startswith("W/"):
            return str(known["tag"])
    except (OSError, ValueError, KeyError):
        pass
    return ""

"""Fetching official files: mirrors in order, interrupted transfers resumed, contents remembered.

The hosts publish no checksums, so the sha256 of the first download is written to `downloads.json`
beside the file, and every later use of the file must match it.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from filelock import FileLock

from tokbench.api import Advance, Progress
from tokbench.errors import DatasetError

LEDGER = "downloads.json"
CHUNK = 2**20  # bytes
ATTEMPTS = 4  # per mirror, in a row, that bring nothing new
WAIT = 1.0  # seconds before the second attempt, doubled for each further one
MAGIC = {".zip": b"PK", ".gz": b"\x1f\x8b"}  # what files of these names begin with


@dataclass(frozen=True)
class RawFile:
    """An official file: its name and where to get it, best host first."""

    name: str
    urls: tuple[str, ...]


class Refusal(Exception):  # noqa: N818 - an answer from a host, not an error of ours
    """Why one mirror did not give the file."""


def fetch(file: RawFile, folder: Path, progress: Progress, *, timeout: float = 30.0) -> Path:
    """The file in `folder`, downloaded unless it is there already. `timeout`: seconds of silence.

    Raises DatasetError where no mirror gives it, or where it differs from its recorded sha256.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file.name
    with FileLock(folder / f".{file.name}.lock"):
        known = read_ledger(folder).get(file.name, {})
        if path.exists():
            _check_known(path, known, progress)
            return path
        reasons = []
        for url in file.urls:
            try:
                _download(url, path, known.get("sha256"), progress, timeout)
            except Refusal as refusal:
                reasons.append(f"{url}: {refusal}")
                continue
            if not known:
                _record(folder, file.name, url)
            return path
        raise DatasetError(
            f"no mirror gave it: {'; '.join(reasons)}",
            path=path,
            remedy=f"download {file.urls[0]} by other means and pass its folder with --raw",
        )


def read_ledger(folder: Path) -> dict[str, Any]:
    """What is known of the files in a download folder: {name: {sha256, bytes, url}}."""
    path = folder / LEDGER
    if not path.exists():
        return {}
    try:
        return cast(dict[str, Any], json.loads(path.read_text("utf-8")))
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


def _check_known(path: Path, known: dict[str, Any], progress: Progress) -> None:
    found = sha256_of(path, progress)
    if not known:
        _record(path.parent, path.name, "")
    elif known["sha256"] != found:
        raise DatasetError(
            f"sha256 {found[:12]}... is not the recorded {known['sha256'][:12]}...",
            path=path,
            remedy=f"delete it to download it again, or its entry in {LEDGER} to accept it",
        )


def _record(folder: Path, name: str, url: str) -> None:
    """Enter a file into the ledger, which other processes may be writing to as well."""
    path = folder / name
    entry = {"sha256": _digest(path), "bytes": path.stat().st_size, "url": url}
    with FileLock(folder / f".{LEDGER}.lock"):
        ledger = read_ledger(folder) | {name: entry}
        written = folder / f".{LEDGER}.new"
        written.write_text(json.dumps(ledger, indent=2, sort_keys=True) + "\n", "utf-8")
        written.replace(folder / LEDGER)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url: str, path: Path, sha256: str | None, progress: Progress, timeout: float) -> None:
    """Bring `url` to `path`, whole and verified, or raise Refusal and leave no `path`."""
    part = path.with_name(path.name + ".part")
    validator = path.with_name(path.name + ".part.json")
    failures, furthest = 0, 0
    while True:
        try:
            _transfer(url, part, validator, progress, timeout)
            break
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
                if error.code != 416:
                    raise Refusal(f"HTTP {error.code}") from error
                validator.unlink(missing_ok=True)  # there is no such rest: begin anew
            size = part.stat().st_size if part.exists() else 0
            failures = 0 if size > furthest else failures + 1
            furthest = max(size, furthest)
            if failures == ATTEMPTS:
                raise Refusal(f"{getattr(error, 'reason', None) or error}") from error
            time.sleep(WAIT * 2**failures)
    with part.open("rb") as file:
        begins = file.read(2)
    validator.unlink(missing_ok=True)
    if not begins.startswith(MAGIC.get(path.suffix, b"")) or begins.startswith(b"<"):
        part.unlink()
        raise Refusal("the answer is a page, not the file")
    found = _digest(part)
    if sha256 is not None and found != sha256:
        part.unlink()
        raise Refusal(f"sha256 {found[:12]}... is not the recorded {sha256[:12]}...")
    part.replace(path)


def _transfer(url: str, part: Path, validator: Path, progress: Progress, timeout: float) -> None:
    """One connection: all of the file, or the rest of it. Raises OSError where it breaks off."""
    request = urllib.request.Request(url, headers={"User-Agent": "tokbench"})
    tag = _resume_tag(url, part, validator)
    if tag:
        request.add_header("Range", f"bytes={part.stat().st_size}-")
        request.add_header("If-Range", tag)  # the whole file instead, where it has changed
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        resumed = answer.status == 206
        start = part.stat().st_size if resumed else 0
        length = int(answer.headers.get("Content-Length") or 0)
        if not resumed:
            tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
            validator.write_text(json.dumps({"url": url, "tag": tag}), "utf-8")
        with (
            part.open("ab" if resumed else "wb") as file,
            progress.track(f"download {part.stem}", total=start + length) as advance,
        ):
            advance(start)
            received = _copy(answer, file, advance)
            os.fsync(file.fileno())
    if length and received < length:
        raise ConnectionError(f"connection cut after {start + received} of {start + length} bytes")


def _copy(answer: Any, file: Any, advance: Advance) -> int:
    received = 0
    while chunk := answer.read1(CHUNK):
        file.write(chunk)
        received += len(chunk)
        advance(len(chunk))
    return received


def _resume_tag(url: str, part: Path, validator: Path) -> str:
    """The version of the file that `part` is the beginning of; '' where it is to be begun anew."""
    try:
        known = json.loads(validator.read_text("utf-8"))
        if part.stat().st_size and known["url"] == url and not known["tag"].startswith("W/"):
            return str(known["tag"])
    except (OSError, ValueError, KeyError):
        pass
    return ""
